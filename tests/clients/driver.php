<?php
// Speaks as Twilio's PHP library 2.0 does: curl, two slashes before the version, a trailing "?" after a GET
// without parameters. Input and output: see test_other_languages.py.

list(, $endpoint, $account, $token) = $argv;

while (($line = fgets(STDIN)) !== false) {
    $parameters = explode("\t", rtrim($line, "\n"));
    $method = array_shift($parameters);
    $url = $endpoint . '/' . array_shift($parameters);
    $encoded = array();
    foreach ($parameters as $parameter) {
        list($name, $value) = explode('=', $parameter, 2);
        $encoded[] = $name . '=' . urlencode($value);
    }
    $form = implode('&', $encoded);
    if ($method == 'GET') {
        $url .= (strpos($url, '?') === false ? '?' : '&') . $form;
    }

    $curl = curl_init($url);
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($curl, CURLOPT_USERPWD, "$account:$token");
    if ($method == 'POST') {
        curl_setopt($curl, CURLOPT_POST, true);
        curl_setopt($curl, CURLOPT_POSTFIELDS, $form);
    } elseif ($method == 'PUT') {
        curl_setopt($curl, CURLOPT_CUSTOMREQUEST, 'PUT');
        curl_setopt($curl, CURLOPT_POSTFIELDS, $form);
    } elseif ($method == 'DELETE') {
        curl_setopt($curl, CURLOPT_CUSTOMREQUEST, 'DELETE');
    }
    $body = curl_exec($curl);
    if ($body === false) {
        fwrite(STDERR, curl_error($curl));
        exit(1);
    }
    echo curl_getinfo($curl, CURLINFO_HTTP_CODE), "\n";
    if ($body !== '') {
        show(new SimpleXMLElement($body), 1);
    }
}

function show($element, $depth)
{
    $attributes = array();
    foreach ($element->attributes() as $name => $value) {
        $attributes[] = " $name=$value";
    }
    sort($attributes);
    $text = $attributes || count($element->children()) ? implode($attributes) : ": $element";
    echo str_repeat(' ', $depth), $element->getName(), $text, "\n";
    foreach ($element->children() as $child) {
        show($child, $depth + 1);
    }
}
