package pages

import (
	"html/template"
	"net/http"
	"strconv"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// AccountView is a page on which somebody manages their account: sections below one another, and links to further pages.
type AccountView struct {
	// Step is the stable name of the page, Title its heading and Intro the sentence below it, if any.
	Step         string
	Title, Intro flow.Message
	// Person is how the page calls whose account it is.
	Person string
	// Submit is the path that takes every post of the page.
	Submit   string
	Links    []AccountLink
	Messages []flow.Message
	Sections []AccountSection
	Branding directory.Branding
}

// AccountLink leads to another page. Label is a message id.
type AccountLink struct {
	ID, URL, Label string
	Current        bool
}

// AccountSection is a part of a page: what is there, and a form.
type AccountSection struct {
	// ID is that of its element.
	ID           string
	Title, Intro flow.Message
	Items        []AccountItem
	// Codes are shown once, to be put away.
	Codes []string
	// Fields and Actions are of a form of the section's own; without Actions there is none.
	Fields  []flow.Field
	Actions []flow.Action
}

// AccountItem is one of several things of a kind. Its Actions post its ID as "id"; each has the id of its name and of its place
// among those of that name on the page, from 1 on, as in "remove_2".
type AccountItem struct {
	ID string
	// Icon is the name of one, "" is none.
	Icon    string
	Title   flow.Message
	Details []flow.Message
	Actions []flow.Action
	// Edit changes the thing, nil where nothing can be changed.
	Edit *AccountEdit
}

// AccountEdit is a form of one text, hidden behind its Title until that is opened, which posts the ID of its item as "id" and the text under
// Name. The ids of its elements have the same numbers as those of actions. Label is a message id.
type AccountEdit struct {
	Title              flow.Message
	Name, Label, Value string
	Action             flow.Action
}

// Account is AccountView in texts.
type Account struct {
	Links    []Tab
	Sections []Section
}

// Tab leads to another page of the account.
type Tab struct {
	ID, URL string
	Label   Text
	Current bool
}

// Section is an AccountSection in texts. It has a form when there are Actions.
type Section struct {
	ID           string
	Title, Intro Text
	Items        []Item
	Codes        []string
	Fields       []Field
	Actions      []Action
	Submit       string
}

// Item is an AccountItem in texts.
type Item struct {
	ID      string
	Title   Text
	Details []Text
	Actions []Action
	Submit  string
	Icon    template.HTML
	Edit    *Edit
}

// Edit is an AccountEdit in texts. ID is that of the input, called Name.
type Edit struct {
	ID, Name, Value string
	Title, Label    Text
	Action          Action
}

// Account writes a page of an account, with status 422 when something was refused.
func (p *Pages) Account(w http.ResponseWriter, r *http.Request, v AccountView) {
	page := p.account(r, v)
	status := http.StatusOK
	if page.Wrong {
		status = http.StatusUnprocessableEntity
	}
	p.write(w, r, status, page, nil)
}

func (p *Pages) account(r *http.Request, v AccountView) *Page {
	page := p.begin(r, accountPage, nil, v.Branding)
	page.Step, page.Person = v.Step, printable(v.Person)
	page.Title, page.Intro = page.message(v.Title), page.message(v.Intro)
	page.notices(v.Messages)
	page.Account, page.numbers = &Account{}, map[string]int{}
	for _, l := range v.Links {
		page.Account.Links = append(page.Account.Links, Tab{l.ID, l.URL, page.T(l.Label), l.Current})
	}
	for _, s := range v.Sections {
		page.Account.Sections = append(page.Account.Sections, page.section(s, v.Submit))
	}
	page.entitle()
	return page
}

func (p *Page) edit(e *AccountEdit) *Edit {
	if e == nil {
		return nil
	}
	p.numbers[e.Action.Name]++
	number := "_" + strconv.Itoa(p.numbers[e.Action.Name])
	edit := &Edit{ID: e.Name + number, Name: e.Name, Value: e.Value, Title: p.message(e.Title), Label: p.T(e.Label), Action: p.buttons([]flow.Action{e.Action})[0]}
	edit.Action.ID += number
	return edit
}

func (p *Page) section(s AccountSection, submit string) Section {
	section := Section{ID: s.ID, Title: p.message(s.Title), Intro: p.message(s.Intro), Codes: s.Codes, Submit: submit}
	p.Fields = nil
	p.fields(s.Fields)
	section.Fields, p.Fields = p.Fields, nil
	section.Actions = p.buttons(s.Actions)
	for _, i := range s.Items {
		item := Item{ID: i.ID, Title: p.message(i.Title), Submit: submit, Icon: p.Icon(i.Icon)}
		for _, detail := range i.Details {
			item.Details = append(item.Details, p.message(detail))
		}
		for _, a := range p.buttons(i.Actions) {
			p.numbers[a.Name]++
			a.ID = a.Name + "_" + strconv.Itoa(p.numbers[a.Name])
			item.Actions = append(item.Actions, a)
		}
		item.Edit = p.edit(i.Edit)
		section.Items = append(section.Items, item)
	}
	return section
}
