package script

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/signet-idp/signet/store/directory"
)

// localIDP is what scripts call ourselves among the providers.
const localIDP = "LOCAL"

// view is an object of the interpreter whose properties are made when they are read.
type view struct {
	get  func(key string) goja.Value // nil is absent
	set  func(key string, v goja.Value) bool
	keys func() []string
}

func (v view) Get(key string) goja.Value { return v.get(key) }

func (v view) Set(key string, value goja.Value) bool { return v.set != nil && v.set(key, value) }

func (v view) Has(key string) bool { return v.get(key) != nil }

func (v view) Delete(string) bool { return false }

func (v view) Keys() []string {
	if v.keys == nil {
		return nil
	}
	return v.keys()
}

// object makes a view of named properties; each is made once.
func (r *run) object(properties map[string]func() goja.Value, set func(key string, v goja.Value) bool) *goja.Object {
	return r.vm.NewDynamicObject(view{
		get: func(key string) goja.Value {
			if make := properties[key]; make != nil {
				return make()
			}
			return nil
		},
		set:  set,
		keys: func() []string { return slices.Sorted(maps.Keys(properties)) },
	})
}

func (r *run) word(s string) goja.Value { return r.vm.ToValue(s) }

func (r *run) fixed(v goja.Value) func() goja.Value { return func() goja.Value { return v } }

// contextObject is the context of every callback.
func (r *run) contextObject() *goja.Object {
	selected := goja.Null()
	params := r.endpointParams()
	request, response := r.request(), r.response()
	return r.object(map[string]func() goja.Value{
		"steps":       r.fixed(r.stepList()),
		"currentStep": func() goja.Value { return r.vm.ToValue(r.current) },
		"request":     r.fixed(request),
		"response":    r.fixed(response),
		"serviceProviderName": func() goja.Value {
			return r.read("context.serviceProviderName", func() any { return r.login.Application })
		},
		"tenantDomain": func() goja.Value { return r.read("context.tenantDomain", func() any { return r.login.Organization }) },
		"requestedAcr": func() goja.Value {
			return r.read("context.requestedAcr", func() any { return append([]string{}, r.login.ACR...) })
		},
		"selectedAcr":           func() goja.Value { return selected },
		"currentKnownSubject":   func() goja.Value { return r.user(r.subject()) },
		"lastAuthenticatedUser": func() goja.Value { return r.user(r.last(Succeeded)) },
		"lastLoginFailedUser":   func() goja.Value { return r.user(r.last(Failed)) },
		"endpointParams":        r.fixed(params),
		"retry":                 func() goja.Value { return r.vm.ToValue(r.last(Failed) != nil) },
	}, func(key string, v goja.Value) bool {
		if key != "selectedAcr" {
			return false
		}
		selected, r.out.SelectedACR = v, ""
		if !goja.IsNull(v) && !goja.IsUndefined(v) {
			r.out.SelectedACR = clip(r.text(v).String(), 200)
		}
		return true
	})
}

// endpointParams go to the page.
func (r *run) endpointParams() *goja.Object {
	return r.vm.NewDynamicObject(view{
		get: func(key string) goja.Value {
			if v, ok := r.out.LoginParams[key]; ok {
				return r.vm.ToValue(v)
			}
			return nil
		},
		set: func(key string, v goja.Value) bool {
			set(&r.out.LoginParams, key, clip(r.text(v).String(), 1000))
			return true
		},
		keys: func() []string { return slices.Sorted(maps.Keys(r.out.LoginParams)) },
	})
}

// seen are the outcomes that the script has been told of by now.
func (r *run) seen() []*Outcome {
	var all []*Outcome
	for i := range r.told {
		all = append(all, &r.memory.Outcomes[i])
	}
	return all
}

// subject is who signs in: the person of the step that was marked for it, else of the first that has found an account, else whoever was
// named.
func (r *run) subject() *Person {
	if o := r.steps[r.subjectStep]; o != nil && o.Person != nil && o.Result == Succeeded {
		return o.Person
	}
	var named *Person
	for _, o := range r.seen() {
		switch {
		case o.Result != Succeeded || o.Person == nil:
		case !o.Person.Subject.IsZero():
			return o.Person
		case named == nil:
			named = o.Person
		}
	}
	return named
}

// last is the person of the last step that ended so.
func (r *run) last(result Result) *Person {
	for _, o := range slices.Backward(r.seen()) {
		if o.Result == result && o.Person != nil {
			return o.Person
		}
	}
	return nil
}

// stepList is context.steps.
func (r *run) stepList() *goja.Object {
	steps := map[string]*goja.Object{}
	return r.vm.NewDynamicObject(view{
		get: func(key string) goja.Value {
			n, err := strconv.Atoi(key)
			if err != nil || n < 1 || n > len(r.login.Steps) {
				return nil
			}
			if steps[key] == nil {
				steps[key] = r.step(n)
			}
			return steps[key]
		},
		keys: func() []string {
			var keys []string
			for i := range r.login.Steps {
				keys = append(keys, itoa(i+1))
			}
			return keys
		},
	})
}

// step is one of context.steps.
func (r *run) step(n int) *goja.Object {
	done := func(of func(o *Outcome) goja.Value) func() goja.Value {
		return func() goja.Value {
			if o := r.steps[n]; o != nil {
				return of(o)
			}
			return goja.Null()
		}
	}
	return r.object(map[string]func() goja.Value{
		"subject": done(func(o *Outcome) goja.Value {
			if o.Result != Succeeded {
				return goja.Null()
			}
			return r.user(o.Person)
		}),
		"authenticator": done(func(o *Outcome) goja.Value { return r.word(o.Option.Authenticator) }),
		"idp": done(func(o *Outcome) goja.Value {
			if o.Option.IDP == "" {
				return r.word(localIDP)
			}
			return r.word(o.Option.IDP)
		}),
		"options": func() goja.Value {
			return r.read("step.options", func() any {
				options := []any{}
				for _, o := range r.login.Steps[n-1] {
					fields := map[string]any{"idp": localIDP}
					if o.Authenticator != "" {
						fields["authenticator"] = o.Authenticator
					}
					if o.IDP != "" {
						fields["idp"] = o.IDP
					}
					options = append(options, fields)
				}
				return options
			}, n)
		},
	}, nil)
}

// user is a person as an object; null for nobody.
func (r *run) user(p *Person) goja.Value {
	if p == nil {
		return goja.Null()
	}
	key := digest([]any{p})
	if o := r.users[key]; o != nil {
		return o
	}
	home := p.Store
	if home == "" {
		home = primaryStore
	}
	o := r.object(map[string]func() goja.Value{
		"uniqueId":        r.fixed(r.word(p.Subject.ID)),
		"username":        r.fixed(r.word(p.Username)),
		"identifier":      r.fixed(r.word(cmp.Or(p.Identifier, p.Username))),
		"tenantDomain":    r.fixed(r.word(p.Organization)),
		"userStoreDomain": func() goja.Value { return r.word(home) },
		"roles":           func() goja.Value { return r.invoke("user.roles", p) },
		"localClaims":     r.fixed(r.localClaims(p)),
		"claims":          r.fixed(r.sessionClaims(p)),
		"remoteClaims":    r.fixed(r.remoteClaims(p)),
	}, func(key string, v goja.Value) bool {
		if key == "userStoreDomain" {
			home = v.String()
		}
		return key == "userStoreDomain"
	})
	r.users[key] = o
	r.people[o] = p
	return o
}

// primaryStore is what scripts call the default user store.
const primaryStore = directory.PrimaryStore

// localClaims are user.localClaims: what the user store says, read and written there.
func (r *run) localClaims(p *Person) *goja.Object {
	return r.vm.NewDynamicObject(view{
		get: func(uri string) goja.Value { return r.invoke("user.localClaims", p, uri) },
		set: func(uri string, v goja.Value) bool {
			r.invoke("user.localClaims=", p, uri, r.plain(v, 0))
			return true
		},
	})
}

// sessionClaims are user.claims: what this session says of the person, which is what the user store says unless the script has set it.
func (r *run) sessionClaims(p *Person) *goja.Object {
	return r.vm.NewDynamicObject(view{
		get: func(uri string) goja.Value {
			if v, ok := r.said[p.key()][claimName(uri)]; ok {
				return r.word(v)
			}
			if p.IDP != "" && p.Subject.IsZero() {
				return goja.Null()
			}
			return r.invoke("user.localClaims", p, uri)
		},
		set: func(uri string, v goja.Value) bool {
			r.say(p, claimName(uri), v)
			return true
		},
	})
}

// say sets something in user.claims; null leaves the claim out of this sign-in.
func (r *run) say(p *Person, name string, v goja.Value) {
	value := ""
	if !goja.IsNull(v) && !goja.IsUndefined(v) {
		value = r.text(v).String()
	}
	said := r.said[p.key()]
	if said == nil {
		said = directory.SignInClaims{}
		r.said[p.key()] = said
	}
	before, again := said[name]
	said[name] = value
	if err := said.Check(); err != nil {
		if said[name] = before; !again {
			delete(said, name)
		}
		r.throw("user." + err.Error())
	}
}

// remoteClaims are user.remoteClaims: what the upstream provider says.
func (r *run) remoteClaims(p *Person) *goja.Object {
	over := map[string]string{}
	return r.vm.NewDynamicObject(view{
		get: func(name string) goja.Value {
			if v, ok := over[name]; ok {
				return r.word(v)
			}
			if v, ok := p.Remote[name]; ok {
				return r.word(v)
			}
			return nil
		},
		set:  func(name string, v goja.Value) bool { over[name] = r.text(v).String(); return true },
		keys: func() []string { return slices.Sorted(maps.Keys(p.Remote)) },
	})
}

// request is context.request: what the browser sent when the script first asked for it.
func (r *run) request() *goja.Object {
	headers := r.vm.NewDynamicObject(view{get: func(name string) goja.Value {
		return absent(r.read("request.headers", func() any {
			if strings.EqualFold(name, "Cookie") || strings.EqualFold(name, "Authorization") {
				return nil
			}
			if values := r.login.Browser.Header.Values(name); len(values) > 0 {
				return clip(values[0], 2000)
			}
			return nil
		}, strings.ToLower(name)))
	}})
	params := r.vm.NewDynamicObject(view{get: func(name string) goja.Value {
		v := absent(r.read("request.params", func() any {
			values := r.params[name]
			if len(values) == 0 && r.login.Browser.Sent != nil {
				values = r.login.Browser.Sent(name)
			}
			if len(values) == 0 {
				return nil
			}
			return values
		}, name))
		if o, ok := v.(*goja.Object); ok && confidential(name) {
			r.conceal(o.Get("0").String())
		}
		return v
	}})
	cookies := r.vm.NewDynamicObject(view{get: func(name string) goja.Value {
		return absent(r.read("request.cookies", func() any { return r.login.Browser.cookie(name) }, name))
	}})
	return r.object(map[string]func() goja.Value{
		"headers": r.fixed(headers),
		"params":  r.fixed(params),
		"cookies": r.fixed(cookies),
		"ip":      func() goja.Value { return r.read("request.ip", func() any { return r.login.Browser.Address }) },
	}, nil)
}

// absent makes a property that has no value one that does not exist.
func absent(v goja.Value) goja.Value {
	if goja.IsNull(v) {
		return nil
	}
	return v
}

// reserved reports whether a cookie's name is one of ours: scripts neither see nor set those.
func reserved(name string) bool { return strings.Contains(strings.ToLower(name), "signet-") }

// cookie is the value of a cookie; nil when there is none.
func (b Browser) cookie(name string) any {
	if value, ok := b.Cookies[name]; ok && !reserved(name) {
		return clip(value, 4000)
	}
	return nil
}

// response is context.response, whose headers scripts may set.
func (r *run) response() *goja.Object {
	headers := r.vm.NewDynamicObject(view{
		get: func(string) goja.Value { return nil },
		set: func(name string, v goja.Value) bool {
			r.invoke("response.headers=", name, r.text(v).String())
			return true
		},
	})
	return r.object(map[string]func() goja.Value{"headers": r.fixed(headers)}, nil)
}

// logger is Log.
func (r *run) logger() *goja.Object {
	log := r.vm.NewObject()
	for name, level := range levels {
		define(log, name, r.vm.ToValue(func(c goja.FunctionCall) goja.Value {
			texts := make([]string, len(c.Arguments))
			for i, v := range c.Arguments {
				texts[i] = r.text(v).String()
			}
			text := strings.Join(texts, " ")
			r.journal("Log."+name, []any{text}, func(ctx context.Context, call *Call) (any, error) {
				r.engine.config.Log.Log(ctx, level, "login script", "text", clip(r.redacted(text), maxLogLine), "script", r.program.Hash, "custom", true)
				return nil, nil
			})
			return goja.Undefined()
		}))
	}
	return log
}

// secrets are secrets.name.
func (r *run) secrets() *goja.Object {
	return r.vm.NewDynamicObject(view{get: func(name string) goja.Value { return absent(r.secret(name)) }})
}

// secret is the value of a secret, which is kept out of the log.
func (r *run) secret(name string) goja.Value {
	v := r.invoke("secrets.get", name)
	if goja.IsString(v) {
		r.conceal(v.String())
	}
	return v
}

// given makes a value of the interpreter of what encoding/json decodes; people, when a Function has said that it is them.
func (r *run) given(data any, people bool) (goja.Value, error) {
	if people {
		return r.peopleOf(data), nil
	}
	return r.build(data, 0)
}

// peopleOf makes users of a Person or a list of them.
func (r *run) peopleOf(data any) goja.Value {
	list, ok := data.([]any)
	if !ok {
		return r.user(personOf(data))
	}
	users := make([]any, len(list))
	for i, item := range list {
		users[i] = r.user(personOf(item))
	}
	return r.vm.NewArray(users...)
}

// personOf is a Person again; nil is nobody.
func personOf(data any) *Person {
	text, err := json.Marshal(data)
	p := new(Person)
	if data == nil || err != nil || json.Unmarshal(text, p) != nil {
		return nil
	}
	return p
}

func (r *run) build(data any, depth int) (goja.Value, error) {
	if depth > maxJSONDepth {
		return nil, ErrOverrun
	}
	switch data := data.(type) {
	case nil:
		return goja.Null(), nil
	case []any:
		if len(data) > maxArray {
			return nil, ErrOverrun
		}
		items := make([]any, len(data))
		for i, item := range data {
			v, err := r.build(item, depth+1)
			if err != nil {
				return nil, err
			}
			items[i] = v
		}
		return r.vm.NewArray(items...), nil
	case map[string]any:
		o := r.vm.NewObject()
		for _, name := range slices.Sorted(maps.Keys(data)) {
			v, err := r.build(data[name], depth+1)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(forbidden, name) {
				_ = o.Set(name, v)
			}
		}
		return o, nil
	case string, bool, float64, int:
		return r.vm.ToValue(data), nil
	}
	return nil, fmt.Errorf("script: a value of type %T", data)
}

// plainAll makes of arguments what encoding/json decodes.
func (r *run) plainAll(args []goja.Value) []any {
	list := make([]any, len(args))
	for i, v := range args {
		list[i] = r.plain(v, 0)
	}
	return list
}

// plain makes of a value what encoding/json decodes, with *Person for a user. Functions are left out.
func (r *run) plain(v goja.Value, depth int) any {
	if depth > maxJSONDepth {
		r.overrun()
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return r.plainPrimitive(v)
	}
	if p := r.people[o]; p != nil {
		return p
	}
	switch {
	case callable(o):
		return nil
	case o == r.context:
		return "context"
	case o.ClassName() == "Array":
		list := make([]any, r.elements(o))
		for i := range list {
			list[i] = r.plain(o.Get(itoa(i)), depth+1)
		}
		return list
	case o.ClassName() == "Date":
		f, _ := goja.AssertFunction(o.Get("toISOString"))
		if made, err := f(o); err == nil {
			return made.String()
		}
		return nil
	}
	keys := o.Keys()
	r.charge(cell * len(keys))
	m := make(map[string]any, len(keys))
	for _, key := range keys {
		m[key] = r.plain(o.Get(key), depth+1)
	}
	return m
}

func (r *run) plainPrimitive(v goja.Value) any {
	switch {
	case v == nil || goja.IsUndefined(v) || goja.IsNull(v):
		return nil
	case goja.IsNumber(v):
		f := v.ToFloat()
		if numeral(f) == "null" {
			return nil
		}
		return f
	case goja.IsString(v):
		s := v.String()
		r.charge(len(s))
		return s
	}
	return v.ToBoolean()
}
