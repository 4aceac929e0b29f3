<?php
// A site that calls the relay: ping, then authenticate_notifications, both with a site token.
// Usage: php client.php http://HOST:PORT LOGIN COMM_KEY ENDPOINT

function ai_sitecom_token(string $login, string $commKey, ?int $now = null): string {
    $head = substr(hash('sha256', $login, true), 0, 8) . pack('J', $now ?? time());
    $mac  = substr(hash_hmac('sha256', $head . $login, $commKey, true), 0, 16);
    return rtrim(strtr(base64_encode($head . $mac), '+/', '-_'), '=');
}

function call(string $base, array $pairs): array {
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => 'Content-Type: application/x-www-form-urlencoded',
        'content' => http_build_query($pairs),
        'ignore_errors' => true,
        'timeout' => 30,
    ]]);
    parse_str(file_get_contents("$base/service", false, $context), $answer);
    return $answer;
}

[, $base, $login, $commKey, $endpoint] = $argv;
$token = ai_sitecom_token($login, $commKey);
foreach ([['ai_command' => 'ping'],
          ['ai_command' => 'authenticate_notifications', 'endpoint_id' => $endpoint]] as $pairs) {
    $answer = call($base, $pairs + ['ai_sitecom_token' => $token]);
    echo json_encode([$pairs['ai_command'] => $answer]), "\n";
    if (($answer['status'] ?? null) !== '0') {
        exit(1);
    }
}
