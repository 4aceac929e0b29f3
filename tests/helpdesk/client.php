<?php
// A client in the style of the public ones: every parameter in the query string, for every verb,
// and an empty body. Arguments: base URL, key.
[$_, $base, $key] = $argv;

function call($method, $path, $params = []) {
    global $base, $key;
    $query = http_build_query($params + ['apikey' => $key]);
    $context = stream_context_create(['http' => [
        'method' => $method,
        'ignore_errors' => true,
        'header' => "Content-Length: 0\r\n",
    ]]);
    $body = file_get_contents("$base/api/index.php?handler=" . urlencode($path) . "&$query", false, $context);
    if (str_ends_with($path, '.xml')) {
        // Not every PHP has its XML extension; what is read here needs none.
        if (($told = text($body, 'errormessage')) !== null) {
            throw new Exception($told);
        }
        return $body;
    }
    $response = json_decode($body)->response;
    if (($response->status ?? 'OK') === 'ERROR') {
        throw new Exception($response->errormessage);
    }
    return $response;
}

// The text of the first element of this name that holds nothing but text.
function text($xml, $name) {
    $found = preg_match("~<$name>([^<]*)</$name>~", $xml, $parts);
    return $found ? html_entity_decode($parts[1], ENT_XML1 | ENT_QUOTES) : null;
}

$department = call('GET', 'departments')->departments[0]->departmentid;
$customer = call('POST', 'customers', [
    'email' => 'jane@example.com',
    'name' => 'Jane Smith',
    'customfields' => json_encode([['code' => 'varsymbol', 'value' => '423874698']]),
]);
$begun = call('POST', 'conversations', [
    'message' => "Hello <b>\"Jane\"</b> & 👍\r\nBye",
    'useridentifier' => $customer->contactid,
    'department' => $department,
    'subject' => 'Test ticket',
    'recipient' => 'shop@example.com',
]);
$path = "conversations/$begun->conversationid";
call('PUT', "$path/status", ['status' => 'R', 'note' => 'done']);
call('POST', 'tags', ['name' => 'prospect-2026']);
call('POST', "$path/tags", ['name' => 'prospect-2026']);
call('DELETE', "$path/tags", ['name' => 'prospect-2026']);
$like = call('GET', 'conversations', ['department' => $department, 'datechanged' => 'lk:20%']);
$xml = call('GET', "$path/messages.xml");
try {
    call('GET', 'customers/nobody@example.com.xml');
} catch (Exception $error) {
    $told = $error->getMessage();
}
call('DELETE', $path);
echo json_encode([
    'status' => $like->conversations[0]->status,
    'message' => text($xml, 'message'),
    'groups' => substr_count($xml, '<group>'),
    'told' => $told,
    'after' => call('GET', $path)->status,
], JSON_UNESCAPED_UNICODE), "\n";
