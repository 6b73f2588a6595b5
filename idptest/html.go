package idptest

import (
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
)

// elements are what a test can see and touch of a page.
type elements struct {
	all   []*element
	byID  map[string]*element
	forms []*form
}

// element is a tag with all text between it and its end.
type element struct {
	name  string
	attrs map[string]string
	text  strings.Builder
}

// form is a form with its fields and buttons.
type form struct {
	action, method string
	fields         []*field
	buttons        []map[string]string // their attributes
}

// field is an input, or a list to choose from. A tick box is part of the submission only when it is ticked.
type field struct {
	name, value string
	box, ticked bool
	list        bool
	options     int
}

// parse reads the body. It asks of HTML that tags are closed, as those of templates are; what stands behind a mistake is not
// seen.
func (p *Page) parse() {
	p.byID = map[string]*element{}
	decoder := xml.NewDecoder(strings.NewReader(p.Body))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []*element
	for {
		token, err := decoder.Token()
		if err != nil {
			return
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, p.add(token))
		case xml.EndElement:
			open = open[:max(0, len(open)-1)]
		case xml.CharData:
			for _, e := range open {
				_, _ = e.text.Write(token)
			}
		}
	}
}

// add notes an element.
func (p *elements) add(start xml.StartElement) *element {
	e := &element{name: strings.ToLower(start.Name.Local), attrs: map[string]string{}}
	for _, a := range start.Attr {
		e.attrs[strings.ToLower(a.Name.Local)] = a.Value
	}
	p.all = append(p.all, e)
	if id := e.attrs["id"]; id != "" {
		p.byID[id] = e
	}
	if e.name == "form" {
		p.forms = append(p.forms, &form{action: e.attrs["action"], method: e.attrs["method"]})
	}
	if len(p.forms) > 0 {
		p.forms[len(p.forms)-1].add(e)
	}
	return e
}

// text is all that the page says.
func (p *elements) text() string {
	for _, e := range p.all {
		if e.name == "body" {
			return e.text.String()
		}
	}
	return ""
}

func (f *form) add(e *element) {
	kind := e.attrs["type"]
	switch {
	case e.name == "button" || e.name == "input" && kind == "submit":
		f.buttons = append(f.buttons, e.attrs)
	case e.name == "input" && e.attrs["name"] != "":
		_, ticked := e.attrs["checked"]
		f.fields = append(f.fields, &field{
			name: e.attrs["name"], value: e.attrs["value"], box: kind == "checkbox" || kind == "radio", ticked: ticked,
		})
	case e.name == "select" && e.attrs["name"] != "":
		f.fields = append(f.fields, &field{name: e.attrs["name"], list: true})
	case e.name == "option" && len(f.fields) > 0 && f.fields[len(f.fields)-1].list:
		list := f.fields[len(f.fields)-1]
		if _, selected := e.attrs["selected"]; selected || list.options == 0 {
			list.value = e.attrs["value"]
		}
		list.options++
	}
}

// fill reports whether the form has the field.
func (f *form) fill(name string, values []string) (found bool) {
	for _, field := range f.fields {
		if field.name != name {
			continue
		}
		found = true
		if field.box {
			field.ticked = slices.Contains(values, field.value)
		} else {
			field.value = strings.Join(values, " ")
		}
	}
	return found
}

// values are what is in the fields.
func (f *form) values() url.Values {
	values := url.Values{}
	for _, field := range f.fields {
		if !field.box || field.ticked {
			values.Add(field.name, field.value)
		}
	}
	return values
}

// press returns what the form submits when the button is pressed, and whether it has the button.
func (f *form) press(id string) (url.Values, bool) {
	values := f.values()
	if id == "" && len(f.buttons) <= 1 {
		return values, true
	}
	for _, attrs := range f.buttons {
		if attrs["id"] != id {
			continue
		}
		if attrs["name"] != "" {
			values.Set(attrs["name"], attrs["value"])
		}
		return values, true
	}
	return nil, false
}
