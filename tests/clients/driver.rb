# Speaks as Twilio's Ruby libraries of 2008 to 2010 do: Net::HTTP, one connection a request.
# Input and output: see test_other_languages.py.
require 'cgi'
require 'net/https'
require 'rexml/document'
require 'uri'

def show(element, depth)
  attributes = element.attributes.collect { |name, value| " #{name}=#{value}" }
  is_text = attributes.empty? && element.elements.empty?
  puts ' ' * depth + element.name + (is_text ? ": #{element.text}" : attributes.sort.join)
  element.elements.each { |child| show(child, depth + 1) }
end

base_url, account, token = ARGV
STDIN.set_encoding('UTF-8')
STDOUT.set_encoding('UTF-8')

STDIN.each_line do |line|
  method, path, *parameters = line.chomp.split("\t")
  form = {}
  parameters.each { |parameter| form.store(*parameter.split('=', 2)) }
  if method == 'GET' && !form.empty?
    path += '?' + form.collect { |name, value| "#{name}=#{CGI.escape(value)}" }.join('&')
  end

  uri = URI.parse(base_url + path)
  http = Net::HTTP.new(uri.host, uri.port)
  http.use_ssl = uri.scheme == 'https'
  request = Net::HTTP.const_get(method.capitalize).new(uri.request_uri)
  request.set_form_data(form) if %w[POST PUT].include?(method)
  request.basic_auth(account, token)
  response = http.request(request)

  puts response.code
  show(REXML::Document.new(response.body).root, 1) unless response.body.to_s.empty?
end
