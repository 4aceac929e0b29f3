<?php
$url = 'https://YOUR_DOMAIN/flex/API/';
$data[] = array('key' => 'Secret Key');
$data[] = array(
'idContact' => 10, //id contact
'idAuto' => 10 //id automation
);
// Convert data to JSON format
$json_data = json_encode($data);
$ch = curl_init($url);
curl_setopt($ch, CURLOPT_POST, 1);
curl_setopt($ch, CURLOPT_POSTFIELDS, $json_data);
curl_setopt($ch, CURLOPT_HTTPHEADER, array('Content-Type: application/json'));
curl_setopt($ch, CURLOPT_RETURNTRANSFER, true);
// Execute cURL request
$response = curl_exec($ch);
?>
