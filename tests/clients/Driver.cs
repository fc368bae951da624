// Speaks as the C# libraries of the time do, on WebRequest. Input and output: see test_other_languages.py.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Text;
using System.Xml;

public static class Driver
{
    public static void Main(string[] arguments)
    {
        Console.SetIn(new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false)));
        Console.SetOut(new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { NewLine = "\n" });
        for (string line; (line = Console.ReadLine()) != null;)
            Ask(arguments[0], new NetworkCredential(arguments[1], arguments[2]), line.Split('\t'));
        Console.Out.Flush();
    }

    static void Ask(string baseUrl, NetworkCredential credential, string[] parts)
    {
        string method = parts[0], url = baseUrl + parts[1];
        string form = string.Join("&", parts.Skip(2).Select(part => part.Split(new[] { '=' }, 2))
            .Select(pair => pair[0] + "=" + Uri.EscapeDataString(pair[1])));
        if (method == "GET" && form != "")
            url += "?" + form;
        var request = (HttpWebRequest)WebRequest.Create(url);
        request.Method = method;
        request.Credentials = credential; // sent only after the challenge
        if (method == "POST" || method == "PUT")
        {
            byte[] body = Encoding.UTF8.GetBytes(form);
            request.ContentType = "application/x-www-form-urlencoded";
            request.ContentLength = body.Length;
            using (Stream stream = request.GetRequestStream())
                stream.Write(body, 0, body.Length);
        }
        using (HttpWebResponse response = Response(request))
        {
            Console.WriteLine((int)response.StatusCode);
            if (response.ContentLength <= 0)
                return;
            var document = new XmlDocument();
            document.Load(response.GetResponseStream());
            Show(document.DocumentElement, 1);
        }
    }

    static HttpWebResponse Response(HttpWebRequest request)
    {
        try { return (HttpWebResponse)request.GetResponse(); }
        catch (WebException error)
        {
            if (error.Response == null)
                throw;
            return (HttpWebResponse)error.Response;
        }
    }

    static void Show(XmlElement element, int depth)
    {
        XmlElement[] children = element.ChildNodes.OfType<XmlElement>().ToArray();
        string[] attributes = element.Attributes.Cast<XmlAttribute>().Select(each => " " + each.Name + "=" + each.Value).ToArray();
        Array.Sort(attributes, StringComparer.Ordinal);
        string text = attributes.Length + children.Length > 0 ? string.Concat(attributes) : ": " + element.InnerText;
        Console.WriteLine(new string(' ', depth) + element.Name + text);
        foreach (XmlElement child in children)
            Show(child, depth + 1);
    }
}
