<?php
// A consumer that plays an SMS gateway: it proves itself, refuses the first delivery, and from then
// on "sends" each message once, by a line in the file that GATEWAY_OUT names.
// Usage: GATEWAY_OUT=FILE GATEWAY_LOGIN=ID GATEWAY_PASSWORD=... php -S 127.0.0.1:PORT gateway.php
$out = getenv('GATEWAY_OUT');
$in = json_decode(file_get_contents('php://input'), true);
header('Content-Type: application/json');
if ($in['request'] === 'authenticate') {
    $login = getenv('GATEWAY_LOGIN');
    $proof = md5($login . getenv('GATEWAY_PASSWORD') . $in['key']);
    echo json_encode(['ai_login_id' => $login, 'ai_login_password' => $proof]);
    exit;
}
if (!file_exists("$out.busy")) {
    touch("$out.busy");
    http_response_code(503);
    exit;
}
$known = file_exists($out) ? file_get_contents($out) : '';
foreach ($in['messages'] as $message) {
    if (strpos($known, $message['id']) !== false) {
        continue;
    }
    $data = $message['data'];
    $line = [$message['id'], $message['type'], $data['message_id'], $data['number'], $data['text']];
    file_put_contents($out, json_encode($line) . "\n", FILE_APPEND);
}
echo '{"status":"OK"}';
