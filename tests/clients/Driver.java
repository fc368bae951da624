import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.StringReader;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.util.Base64;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;
import org.w3c.dom.NamedNodeMap;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

/**
 * Speaks as Twilio's Java library 2.0 does: HttpURLConnection, a trailing "?" after a GET without
 * parameters, no Content-Type with a PUT, and line breaks dropped from the answer.
 * Input and output: see test_other_languages.py.
 */
class Driver {
    static PrintStream out;

    public static void main(String[] arguments) throws Exception {
        out = new PrintStream(System.out, true, "UTF-8");
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            send(arguments[0], arguments[1] + ":" + arguments[2], line.split("\t"));
        }
    }

    static void send(String endpoint, String login, String[] asked) throws Exception {
        String method = asked[0];
        String form = "";
        for (int i = 2; i < asked.length; i++) {
            String[] parameter = asked[i].split("=", 2);
            form += (i > 2 ? "&" : "") + parameter[0] + "=" + URLEncoder.encode(parameter[1], "UTF-8");
        }
        String url = endpoint + asked[1];
        if (method.equals("GET")) {
            url += (url.indexOf('?') < 0 ? "?" : "&") + form;
        }

        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        String credentials = Base64.getEncoder().encodeToString(login.getBytes("UTF-8"));
        connection.setRequestProperty("Authorization", "Basic " + credentials);
        connection.setDoOutput(true);
        connection.setRequestMethod(method);
        if (method.equals("POST") || method.equals("PUT")) {
            OutputStreamWriter body = new OutputStreamWriter(connection.getOutputStream(), "UTF-8");
            body.write(form);
            body.close();
        }

        int status = connection.getResponseCode();
        InputStream stream = status < 400 ? connection.getInputStream() : connection.getErrorStream();
        BufferedReader reader = new BufferedReader(new InputStreamReader(stream, "UTF-8"));
        String answer = "";
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            answer += line;
        }
        out.println(status);
        if (!answer.isEmpty()) {
            InputSource source = new InputSource(new StringReader(answer));
            show(DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(source).getDocumentElement(), " ");
        }
    }

    static void show(Element element, String indent) {
        String shown = indent + element.getTagName();
        NamedNodeMap attributes = element.getAttributes();
        for (int i = 0; i < attributes.getLength(); i++) {
            shown += " " + attributes.item(i).getNodeName() + "=" + attributes.item(i).getNodeValue();
        }
        NodeList children = element.getElementsByTagName("*");
        boolean isText = children.getLength() == 0 && attributes.getLength() == 0;
        out.println(shown + (isText ? ": " + element.getTextContent() : ""));
        for (int i = 0; i < children.getLength(); i++) {
            if (children.item(i).getParentNode() == element) {
                show((Element) children.item(i), indent + " ");
            }
        }
    }
}
