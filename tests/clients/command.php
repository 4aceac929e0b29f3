<?php
// A site that keeps leads: everything is read back with parse_str.
// Usage: php command.php http://HOST:PORT LOGIN PASSWORD; prints one JSON object a call.

[, $base, $login, $password] = $argv;

function call(string $base, array $pairs): array {
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => 'Content-Type: application/x-www-form-urlencoded',
        'content' => http_build_query($pairs),
        'ignore_errors' => true,
        'timeout' => 30,
    ]]);
    parse_str(file_get_contents("$base/service.php", false, $context), $answer);
    return $answer;
}

// A site that has no token sends the empty parameter all the same.
$who = ['ai_sitecom_token' => '', 'ai_login_id' => $login, 'ai_login_password' => $password];
foreach ([
    ['ai_command' => 'create_customer'],
    ['ai_command' => 'create_lead', 'first_name' => 'Jörg & Söhne', 'company' => '100 % = all'],
    ['ai_command' => 'create_lead', 'first_name' => 'Jane'],
    ['ai_command' => 'leads_multi_manage_tags', 'tags_add' => 'new,hot', 'lead_list' => '1001,1002,9',
     'user_id' => '1001'],
    ['ai_command' => 'leads_get', 'limit_fields' => 'first_name,company,tags'],
    ['ai_command' => 'batch', 'json' => json_encode([
        ['ai_command' => 'ping'], ['ai_command' => 'update_lead'], ['ai_command' => 'leads_get', 'page_size' => 0]])],
] as $pairs) {
    echo json_encode(call($base, $pairs + $who), JSON_UNESCAPED_UNICODE), "\n";
}
