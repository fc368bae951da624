#!/usr/bin/perl
# Speaks as WWW::Twilio::API 0.16 to 0.18 does: LWP, %20 for a space, and a POST without parameters has
# neither Content-Type nor Content-Length. Input and output: see test_other_languages.py.
use strict;
use warnings;
use LWP::UserAgent;
use URI::Escape qw(uri_escape);
use XML::LibXML;

my ($base_url, $account, $token) = @ARGV;

while (my $line = <STDIN>) {
    chomp $line;
    my ($method, $path, @parameters) = split /\t/, $line;
    my $form = join '&', map { join '=', map { uri_escape($_) } split /=/, $_, 2 } @parameters;
    my $url = $base_url . $path;
    $url .= "?$form" if $form and $method eq 'GET';

    my $request = HTTP::Request->new($method => $url);
    $request->authorization_basic($account, $token);
    if ($form and $method ne 'GET') {
        $request->content_type('application/x-www-form-urlencoded');
        $request->content($form);
    }
    my $browser = LWP::UserAgent->new;
    $browser->agent('perl-WWW-Twilio-API/0.18');
    my $response = $browser->request($request);

    print $response->code, "\n";
    show(XML::LibXML->new->parse_string($response->content)->documentElement, 1) if $response->content;
}

sub show {
    my ($element, $depth) = @_;
    my @children = grep { $_->isa('XML::LibXML::Element') } $element->childNodes;
    my $shown = ' ' x $depth . $element->nodeName;
    my @attributes = sort map { $_->nodeName . '=' . $_->value } $element->attributes;
    $shown .= @attributes || @children ? join ' ', '', @attributes : ': ' . $element->textContent;
    utf8::encode($shown);
    print "$shown\n";
    show($_, $depth + 1) for @children;
}
