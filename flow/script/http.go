package script

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/dop251/goja"
)

// httpGet is httpGet(url[, headers[, authConfig]], handlers).
func (r *run) httpGet(c goja.FunctionCall) goja.Value {
	return r.exchange("GET", c.Arguments, nil)
}

// httpPost is httpPost(url, body[, headers[, authConfig]], handlers).
func (r *run) httpPost(c goja.FunctionCall) goja.Value {
	if len(c.Arguments) < 2 {
		r.throw("httpPost needs a body")
	}
	body, err := json.Marshal(r.plain(c.Arguments[1], 0))
	if err != nil || len(body) > maxOutput/2 {
		r.overrun()
	}
	args := append([]goja.Value{c.Arguments[0]}, c.Arguments[2:]...)
	return r.exchange("POST", args, body)
}

// exchange asks for a call to a server elsewhere.
func (r *run) exchange(method string, args []goja.Value, body json.RawMessage) goja.Value {
	n := &Node{Kind: Exchange, Request: &Request{Method: method, Body: body}}
	if len(args) > 0 {
		if n.handlers = r.handlers(args[len(args)-1]); n.handlers != nil {
			args = args[:len(args)-1]
		}
	}
	plain := r.plainAll(args)
	if len(plain) > 0 {
		n.Request.URL = spelt(plain[0])
	}
	if len(plain) > 1 {
		n.Request.Headers = speltMap(plain[1])
	}
	if len(plain) > 2 {
		fields, _ := plain[2].(map[string]any)
		n.Request.Auth = Auth{Type: spelt(fields["type"]), Properties: speltMap(fields["properties"])}
	}
	if err := n.Request.check(); err != nil {
		r.throw(err.Error())
	}
	r.queueUp(n)
	return goja.Undefined()
}

// callChoreo is callChoreo(connection, payload, handlers): httpPost with client credentials, whose keys may be names of secrets.
func (r *run) callChoreo(c goja.FunctionCall) goja.Value {
	fields, _ := r.plain(c.Argument(0), 0).(map[string]any)
	of := func(name string) string {
		if alias := spelt(fields[name+"Alias"]); alias != "" {
			return r.secret(alias).String()
		}
		return spelt(fields[name])
	}
	body, err := json.Marshal(r.plain(c.Argument(1), 0))
	if err != nil || len(body) > maxOutput/2 {
		r.overrun()
	}
	n := &Node{Kind: Exchange, handlers: r.handlers(c.Argument(2)), Request: &Request{Method: "POST", Body: body, URL: spelt(fields["url"])}}
	if key := of("consumerKey"); key != "" {
		n.Request.Auth = Auth{Type: "clientcredential", Properties: map[string]string{
			"consumerKey": key, "consumerSecret": of("consumerSecret"), "tokenEndpoint": spelt(fields["asgardeoTokenEndpoint"]),
		}}
	}
	if err := n.Request.check(); err != nil {
		r.throw(err.Error())
	}
	r.queueUp(n)
	return goja.Undefined()
}

// credentials are the properties that each type of Auth needs.
var credentials = map[string][]string{
	"":                 nil,
	"basic":            {"username", "password"},
	"apikey":           {"apiKey", "headerName"},
	"clientcredential": {"consumerKey", "consumerSecret", "tokenEndpoint"},
	"bearer":           {"token"},
}

// check refuses a request that nobody could send.
func (q *Request) check() error {
	u, err := url.Parse(q.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return fmt.Errorf("%q is no URL to call", clip(q.URL, 200))
	}
	needed, known := credentials[q.Auth.Type]
	if !known {
		return fmt.Errorf("there is no authentication of type %q", clip(q.Auth.Type, 50))
	}
	for _, name := range needed {
		if q.Auth.Properties[name] == "" {
			return fmt.Errorf("authentication of type %q needs %s", q.Auth.Type, name)
		}
	}
	return nil
}
