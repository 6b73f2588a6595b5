package script

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// core are the functions of every script, by name. What they return rests on nothing but their arguments and what the run knows, so
// nothing of it is journaled.
var core = map[string]func(*run, goja.FunctionCall) goja.Value{
	"executeStep":                  (*run).executeStep,
	"fail":                         (*run).fail,
	"sendError":                    (*run).sendError,
	"prompt":                       (*run).prompt,
	"promptIdentifierForStep":      (*run).promptIdentifier,
	"selectAcrFrom":                (*run).selectACR,
	"loadLocalLibrary":             (*run).load,
	"httpGet":                      (*run).httpGet,
	"httpPost":                     (*run).httpPost,
	"callChoreo":                   (*run).callChoreo,
	"getMaskedValue":               (*run).mask,
	"getValueFromDecodedAssertion": (*run).decoded,
	"filterAuthenticators":         (*run).filter,
	"checkSessionExistence":        (*run).checkSession,
	"getSecretByName":              (*run).secretNamed,
}

// globals puts what the script names of ours into the realm.
func (r *run) globals() {
	global := r.vm.GlobalObject()
	for _, name := range r.program.globals {
		if v := r.own(name); v != nil {
			define(global, name, v)
		}
	}
	r.context = r.contextObject()
}

// own is a global of ours by name; nil when it is none.
func (r *run) own(name string) goja.Value {
	switch {
	case name == "Log":
		return r.logger()
	case name == "secrets":
		return r.secrets()
	case core[name] != nil:
		f := core[name]
		return r.vm.ToValue(func(c goja.FunctionCall) goja.Value { return f(r, c) })
	case r.engine.config.Functions[name] != nil:
		return r.vm.ToValue(func(c goja.FunctionCall) goja.Value { return r.function(name, c) })
	case r.engine.further[name] != nil:
		return r.vm.ToValue(r.engine.further[name])
	}
	return nil
}

// function calls a function of the host: at once, or, when it has handlers, when its turn comes.
func (r *run) function(name string, c goja.FunctionCall) goja.Value {
	args := c.Arguments
	if len(args) > 0 {
		if handlers := r.handlers(args[len(args)-1]); handlers != nil {
			n := &Node{Kind: deferred, call: name, args: r.plainAll(args[:len(args)-1]), handlers: handlers}
			r.queueUp(n)
			return goja.Undefined()
		}
	}
	return r.invoke(name, r.plainAll(args)...)
}

// invoke calls a Function by name and returns what it returns.
func (r *run) invoke(name string, args ...any) goja.Value {
	f := r.engine.config.Functions[name]
	if f == nil {
		r.throw(name + " is not available here")
	}
	return r.parsed(r.journal(name, args, f))
}

// read journals something that the run was told, as it was when the script asked.
func (r *run) read(name string, value func() any, args ...any) goja.Value {
	return r.parsed(r.journal(name, args, func(context.Context, *Call) (any, error) { return value(), nil }))
}

// parsed is the value of an entry of the journal. What was refused is thrown.
func (r *run) parsed(e Entry) goja.Value {
	if e.Refused != "" {
		r.throw(e.Refused)
	}
	if len(e.Value) == 0 {
		return goja.Null()
	}
	var data any
	if err := json.Unmarshal(e.Value, &data); err != nil {
		r.stop(ErrDiverged)
		r.throw("diverged")
	}
	v, err := r.given(data, e.People)
	if err != nil {
		r.stop(err)
		r.throw("too large")
	}
	return v
}

// queueUp appends a node to those that the callback under way asks for.
func (r *run) queueUp(n *Node) {
	r.nodes++
	if r.nodes > 4*maxOutcomes {
		r.overrun()
	}
	n.name(r.nodes)
	r.adding = append(r.adding, n)
}

// handlers are the callbacks in an object; nil when it has none.
func (r *run) handlers(v goja.Value) map[Result]goja.Callable {
	o, ok := v.(*goja.Object)
	if !ok || callable(o) || o.ClassName() == "Array" {
		return nil
	}
	var found map[Result]goja.Callable
	for name, result := range map[string]Result{"onSuccess": Succeeded, "onFail": Failed, "onTimeout": TimedOut} {
		if f, ok := goja.AssertFunction(o.Get(name)); ok {
			if found == nil {
				found = map[Result]goja.Callable{}
			}
			found[result] = f
		}
	}
	return found
}

// executeStep is executeStep(id[, options], callbacks).
func (r *run) executeStep(c goja.FunctionCall) goja.Value {
	n := &Node{Kind: Step, Step: int(c.Argument(0).ToInteger())}
	if n.Step < 1 || n.Step > len(r.login.Steps) {
		r.throw(fmt.Sprintf("executeStep: there is no step %d", n.Step))
	}
	callbacks := c.Argument(1)
	if len(c.Arguments) > 2 {
		callbacks = c.Argument(2)
		r.stepOptions(n, c.Argument(1))
	} else if o, ok := callbacks.(*goja.Object); ok && (has(o, "authenticationOptions") || has(o, "authenticatorParams") || has(o, "stepOptions")) {
		r.throw("executeStep: options need callbacks after them; {} is none")
	}
	n.handlers = r.handlers(callbacks)
	n.Retries = n.handlers[Failed] != nil
	r.queueUp(n)
	return goja.Undefined()
}

func has(o *goja.Object, name string) bool { return o.Get(name) != nil }

// stepOptions reads the second argument of executeStep.
func (r *run) stepOptions(n *Node, v goja.Value) {
	options, _ := r.plain(v, 0).(map[string]any)
	list, _ := options["authenticationOptions"].([]any)
	for _, item := range list {
		fields, _ := item.(map[string]any)
		n.Options = append(n.Options, Option{Authenticator: spelt(fields["authenticator"]), IDP: spelt(fields["idp"])})
	}
	params, _ := options["authenticatorParams"].(map[string]any)
	n.Params = Params{Common: speltMap(params["common"]), Local: speltMaps(params["local"]), Federated: speltMaps(params["federated"])}
	switches, _ := options["stepOptions"].(map[string]any)
	n.ForceAuth = on(switches["forceAuth"])
	n.SubjectStep = on(switches["markAsSubjectIdentifierStep"])
	n.AttributeStep = on(switches["markAsSubjectAttributeStep"])
}

// on reads a switch: true, or "true".
func on(v any) bool { return v == true || v == "true" }

// spelt is a value as a text; "" when it is none.
func spelt(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64, bool:
		return fmt.Sprint(v)
	}
	return ""
}

func speltMap(v any) map[string]string {
	fields, _ := v.(map[string]any)
	if len(fields) == 0 {
		return nil
	}
	m := make(map[string]string, len(fields))
	for name, value := range fields {
		m[name] = spelt(value)
	}
	return m
}

func speltMaps(v any) map[string]map[string]string {
	fields, _ := v.(map[string]any)
	if len(fields) == 0 {
		return nil
	}
	m := make(map[string]map[string]string, len(fields))
	for name, value := range fields {
		m[name] = speltMap(value)
	}
	return m
}

// fail is fail([{errorCode, errorMessage, errorURI}]).
func (r *run) fail(c goja.FunctionCall) goja.Value {
	fields, _ := r.plain(c.Argument(0), 0).(map[string]any)
	r.queueUp(&Node{Kind: Fail, Failure: Failure{
		Code: spelt(fields["errorCode"]), Message: spelt(fields["errorMessage"]), URI: spelt(fields["errorURI"]),
	}})
	return goja.Undefined()
}

// sendError is sendError(url, params).
func (r *run) sendError(c goja.FunctionCall) goja.Value {
	r.queueUp(&Node{Kind: ErrorPage, URL: spelt(r.plain(c.Argument(0), 0)), Query: speltMap(r.plain(c.Argument(1), 0))})
	return goja.Undefined()
}

// prompt is prompt(templateId, data, handlers).
func (r *run) prompt(c goja.FunctionCall) goja.Value {
	n := &Node{Kind: Prompt, Template: spelt(r.plain(c.Argument(0), 0)), handlers: r.handlers(c.Argument(2))}
	switch n.Template {
	case "genericForm", "externalRedirect", "internalWait":
	default:
		r.throw(fmt.Sprintf("prompt: there is no template %q", n.Template))
	}
	n.Data, _ = r.plain(c.Argument(1), 0).(map[string]any)
	r.queueUp(n)
	return goja.Undefined()
}

// promptIdentifier is promptIdentifierForStep(step[, validators], callbacks): the page that asks for the identifier alone.
func (r *run) promptIdentifier(c goja.FunctionCall) goja.Value {
	n := &Node{
		Kind: Step, Step: int(c.Argument(0).ToInteger()), handlers: r.handlers(c.Argument(max(1, len(c.Arguments)-1))),
		Options: []Option{{Authenticator: "IdentifierExecutor"}},
	}
	if n.Step < 1 || n.Step > len(r.login.Steps) {
		r.throw(fmt.Sprintf("promptIdentifierForStep: there is no step %d", n.Step))
	}
	if len(c.Arguments) > 2 {
		n.Params.Common = speltMap(r.plain(c.Argument(1), 0))
	}
	n.Retries = n.handlers[Failed] != nil
	r.queueUp(n)
	return goja.Undefined()
}

// selectACR is selectAcrFrom(context, supported): the first of the supported, which are listed strongest first, that the request
// accepts. A request that names none accepts all: it gets the last, which is the weakest.
func (r *run) selectACR(c goja.FunctionCall) goja.Value {
	supported, _ := r.plain(c.Argument(1), 0).([]any)
	requested, _ := r.plain(r.context.Get("requestedAcr"), 0).([]any)
	for _, s := range supported {
		for _, want := range requested {
			if s == want {
				return r.vm.ToValue(s)
			}
		}
	}
	return goja.Null()
}

// load is loadLocalLibrary(name): what the library puts into module.exports.
func (r *run) load(c goja.FunctionCall) goja.Value {
	name := c.Argument(0).String()
	if exports, ok := r.modules[name]; ok {
		return exports
	}
	program := r.program.libraries[name]
	if program == nil {
		r.throw(fmt.Sprintf("there is no library %q", name))
	}
	module := r.vm.NewObject()
	exports := r.vm.NewObject()
	_ = module.Set("exports", exports)
	r.modules[name] = exports
	v, err := r.vm.RunProgram(program)
	if err != nil {
		panic(err)
	}
	f, _ := goja.AssertFunction(v)
	if _, err := f(goja.Undefined(), module, exports); err != nil {
		panic(err)
	}
	r.modules[name] = module.Get("exports")
	return r.modules[name]
}

// mask is getMaskedValue(text): its first and last character and stars between.
func (r *run) mask(c goja.FunctionCall) goja.Value {
	s := []rune(c.Argument(0).String())
	if len(s) > 2 {
		return r.vm.ToValue(string(s[0]) + strings.Repeat("*", min(len(s)-2, 64)) + string(s[len(s)-1]))
	}
	return r.vm.ToValue(strings.Repeat("*", len(s)))
}

// decoded is getValueFromDecodedAssertion(jwt, name, inPayload): a member of a JWT whose signature nobody has looked at.
func (r *run) decoded(c goja.FunctionCall) goja.Value {
	parts := strings.Split(c.Argument(0).String(), ".")
	i := 0
	if c.Argument(2).ToBoolean() {
		i = 1
	}
	if len(parts) < 2 || len(parts[i]) > maxText {
		return goja.Null()
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[i])
	var members map[string]any
	if err != nil || nesting(string(text)) > maxJSONDepth || json.Unmarshal(text, &members) != nil {
		return goja.Null()
	}
	r.charge(cell * len(text))
	v, err := r.given(members[c.Argument(1).String()], false)
	if err != nil {
		return goja.Null()
	}
	return v
}

// filter is filterAuthenticators(options, excludeName).
func (r *run) filter(c goja.FunctionCall) goja.Value {
	options, _ := r.plain(c.Argument(0), 0).([]any)
	exclude := c.Argument(1).String()
	left := []any{}
	for _, item := range options {
		fields, _ := item.(map[string]any)
		if spelt(fields["authenticator"]) != exclude && (spelt(fields["idp"]) != exclude || exclude == localIDP) {
			left = append(left, item)
		}
	}
	v, _ := r.given(left, false)
	return v
}

// checkSession is checkSessionExistence(step, context): whether the session has done the step.
func (r *run) checkSession(c goja.FunctionCall) goja.Value {
	step := int(c.Argument(0).ToInteger())
	return r.parsed(r.journal("checkSessionExistence", []any{step}, r.sessionHas(step)))
}

func (r *run) secretNamed(c goja.FunctionCall) goja.Value {
	return r.secret(c.Argument(0).String())
}
