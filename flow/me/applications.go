package me

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// application is one that the person may find.
type application struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Image       string `json:"image,omitempty"`
	AccessURL   string `json:"accessUrl,omitempty"`
}

func toApplication(app *directory.Application) application {
	return application{ID: app.ID, Name: app.Name, Description: app.Description, Image: app.Logo, AccessURL: app.URL}
}

const (
	defaultPage = 30
	maxPage     = 100
	maxFilter   = 256
)

// page is which part of the applications is asked for.
type page struct {
	limit, offset int
	filter        func(name string) bool
}

var errQuery = &web.ProblemError{Status: 400, Code: "ME-60001", Message: "Invalid request", Description: "The query is not understood."}

// readPage reads limit, offset and filter: "name sw sales", also with eq, co and ew.
func readPage(q url.Values) (p page, err error) {
	p = page{limit: defaultPage, filter: func(string) bool { return true }}
	for name, to := range map[string]*int{"limit": &p.limit, "offset": &p.offset} {
		if text := q.Get(name); text != "" {
			if *to, err = strconv.Atoi(text); err != nil || *to < 0 {
				return p, errQuery
			}
		}
	}
	p.limit = min(p.limit, maxPage)
	if text := q.Get("filter"); text != "" {
		words := strings.SplitN(text, " ", 3)
		if len(text) > maxFilter || len(words) != 3 || words[0] != "name" || words[2] == "" {
			return p, errQuery
		}
		value := directory.Fold(words[2])
		switch words[1] {
		case "eq":
			p.filter = func(name string) bool { return name == value }
		case "sw":
			p.filter = func(name string) bool { return strings.HasPrefix(name, value) }
		case "ew":
			p.filter = func(name string) bool { return strings.HasSuffix(name, value) }
		case "co":
			p.filter = func(name string) bool { return strings.Contains(name, value) }
		default:
			return p, errQuery
		}
	}
	return p, nil
}

// link leads to another part of a list.
type link struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
}

// listApplications lists the applications that people are meant to find, by name.
func (a *API) listApplications(c *call) (answer, error) {
	p, err := readPage(c.r.URL.Query())
	if err != nil {
		return answer{}, err
	}
	all, err := a.Directory.Applications.Discoverable(c.ctx(), c.ref.Org)
	if err != nil {
		return answer{}, err
	}
	found := make([]application, 0, len(all))
	for _, app := range all {
		if p.filter(directory.Fold(app.Name)) {
			found = append(found, toApplication(app))
		}
	}
	from := min(p.offset, len(found))
	to := min(from+p.limit, len(found))
	return answer{Body: struct {
		Total        int           `json:"totalResults"`
		Start        int           `json:"startIndex"`
		Count        int           `json:"count"`
		Applications []application `json:"applications"`
		Links        []link        `json:"links"`
	}{len(found), from + 1, to - from, found[from:to], pageLinks(c, p, from, to, len(found))}}, nil
}

// pageLinks lead to the parts before and behind.
func pageLinks(c *call, p page, from, to, total int) []link {
	links := []link{}
	add := func(rel string, offset int) {
		q := url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(p.limit)}}
		if filter := c.r.URL.Query().Get("filter"); filter != "" {
			q.Set("filter", filter)
		}
		links = append(links, link{Href: c.r.URL.Path + "?" + q.Encode(), Rel: rel})
	}
	if to < total && p.limit > 0 {
		add("next", to)
	}
	if from > 0 {
		add("previous", max(0, from-p.limit))
	}
	return links
}

// showApplication shows one of them; one that is not to be found is not there.
func (a *API) showApplication(c *call) (answer, error) {
	id := c.r.PathValue("id")
	if !idPattern.MatchString(id) {
		return answer{}, store.ErrNotFound
	}
	app, err := a.Directory.Applications.Get(c.ctx(), store.Ref{Org: c.ref.Org, ID: id})
	if err != nil {
		return answer{}, err
	}
	if !app.Discoverable || app.Status != directory.Active {
		return answer{}, store.ErrNotFound
	}
	return answer{Body: toApplication(app)}, nil
}

// idPattern is what may be the id of a record in a path.
var idPattern = regexp.MustCompile(`^[\x21-\x7e]{1,128}$`)

// applicationName is what an application is called; its id when it is no more.
func (a *API) applicationName(c *call, ref store.Ref, known map[store.Ref]string) (string, error) {
	if name, ok := known[ref]; ok {
		return name, nil
	}
	app, err := a.Directory.Applications.Get(c.ctx(), ref)
	switch {
	case err == nil:
		known[ref] = app.Name
	case errors.Is(err, store.ErrNotFound):
		known[ref] = ref.ID
	default:
		return "", err
	}
	return known[ref], nil
}
