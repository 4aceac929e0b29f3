<?php
// The requests of the vendor's document as it prints them, with only address and key changed (and
// an address in the place of the one that the document hides). Each is sent as it stands.
// Usage: php samples.php http://HOST:PORT API_KEY; prints one JSON line for each answer.

const SAMPLES = [
    <<<'REQUEST'
    POST https://api.example.com/v1/contacts?apiKey=YOUR_API_KEY
    Content-Type: application/json

    {
      "firstName": "Jane",
      "lastName": "Smith",
      "phone": "+15551234567",
      "email": "jane@example.com"
    }
    REQUEST,
    <<<'REQUEST'
    POST https://api.example.com/v1/lists/LIST_ID/contacts?apiKey=YOUR_API_KEY
    Content-Type: application/json

    {
      "contactId": "abc123xyz"
    }
    REQUEST,
    <<<'REQUEST'
    POST https://api.example.com/v1/send_custom_channel_message?apiKey=YOUR_API_KEY
    Content-Type: application/json

    {
      "customData": {
        "fromId": "external-contact-id",
        "customChannel": "my-channel",
        "body": "Hello Jane! Your order has been shipped.",
        "campaignId": "optional-campaign-id",
        "firstName": "Jane",
        "lastName": "Smith"
      }
    }
    REQUEST,
    <<<'REQUEST'
    POST https://api.example.com/v1/incoming_custom_channel_message?apiKey=YOUR_API_KEY
    Content-Type: application/json

    {
      "customData": {
        "messageSid": "unique-message-id",
        "fromId": "external-contact-id",
        "toId": "your-user-id",
        "body": "Customer's message here",
        "channel": "custom",
        "status": "received"
      },
      "messageType": "text"
    }
    REQUEST,
    <<<'REQUEST'
    POST https://api.example.com/v1/subaccounts/credits
    x-api-key: YOUR_API_KEY
    Content-Type: application/json

    {
      "email": "jane@example.com",
      "amount": 500,
      "description": "Auto-recharge via webhook"
    }
    REQUEST,
    "GET https://api.example.com/v1/contacts?phoneNumber=+15551234567&apiKey=YOUR_API_KEY\n\n",
    "GET https://api.example.com/v1/contacts?email=jane@example.com&apiKey=YOUR_API_KEY\n\n",
];

[, $base, $key] = $argv;
foreach (SAMPLES as $sample) {
    $sample = str_replace(['https://api.example.com', 'YOUR_API_KEY'], [$base, $key], $sample);
    [$head, $body] = explode("\n\n", $sample, 2);
    $lines = explode("\n", $head);
    [$method, $url] = explode(' ', array_shift($lines), 2);
    $curl = curl_init($url);
    curl_setopt($curl, CURLOPT_CUSTOMREQUEST, $method);
    curl_setopt($curl, CURLOPT_HTTPHEADER, $lines);
    if ($method === 'POST') {
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
    }
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
    $answer = json_decode(curl_exec($curl), true);
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    echo json_encode(['status' => $status, 'body' => $answer]), "\n";
}
