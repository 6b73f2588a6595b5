package script

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// DirectoryConfig is the wiring of the functions that reach people, their roles and groups, sessions, cookies, mails and secrets.
type DirectoryConfig struct {
	// DB and Directory are those of the flow. Required.
	DB        *store.DB
	Directory *directory.Directory
	// Mail hands over a message in the batch that moves the flow; nil has sendEmail fail.
	Mail func(b *store.Batch, m Mail) error
	// Secrets are what secrets.name reads; nil has none.
	Secrets *Secrets
	// Links are the accounts upstream of people; nil has none, and links none.
	Links Links
}

// Mail is what sendEmail sends.
type Mail struct {
	// Template is the id of a template, and Params fill its placeholders.
	Template string
	Params   map[string]string
	// To is the person's address.
	To           string
	Subject      store.Ref
	Organization string
	Application  string
}

// people are the functions over a directory.
type people struct{ DirectoryConfig }

// DirectoryFunctions are the functions of scripts over a directory, for Config.Functions. What they write they write at once, in a way
// that may be repeated; but mails and cookies go with the flow.
func DirectoryFunctions(config DirectoryConfig) (map[string]Function, error) {
	if config.DB == nil || config.Directory == nil {
		return nil, errors.New("script: DirectoryConfig needs DB and Directory")
	}
	p := &people{config}
	return map[string]Function{
		"user.localClaims":                     p.claim,
		"user.localClaims=":                    p.setClaim,
		"user.roles":                           p.roles,
		"isMemberOfAnyOfGroups":                p.inGroups,
		"isAnyOfTheRolesAssignedToUser":        p.hasRoles,
		"hasRole":                              p.hasRoles,
		"hasAnyOfTheRoles":                     p.hasRoles,
		"hasAnyOfTheRolesV2":                   p.hasRoles,
		"assignUserRoles":                      p.assign,
		"assignUserRolesV2":                    p.assign,
		"removeUserRoles":                      p.unassign,
		"removeUserRolesV2":                    p.unassign,
		"getUserSessions":                      p.sessions,
		"getSessionData":                       p.ownSessions,
		"terminateUserSession":                 p.terminate,
		"killSession":                          p.kill,
		"isWithinSessionLimit":                 p.withinLimit,
		"getAuthenticatedApplications":         p.applications,
		"getAssociatedLocalUser":               p.associated,
		"doAssociationWithLocalUser":           p.associate,
		"removeAssociatedLocalUser":            p.dissociate,
		"checkMicrosoftEmailVerification":      p.microsoftVerified,
		"sendEmail":                            p.mail,
		"getUsersWithClaimValues":              p.search,
		"getUniqueUserWithClaimValues":         p.unique,
		"resolveMultiAttributeLoginIdentifier": p.resolve,
		"updateUserPassword":                   p.setPassword,
		"setCookie":                            p.setCookie,
		"getCookieValue":                       p.cookieValue,
		"secrets.get":                          p.secret,
	}, nil
}

// Subject is who signs in, as far as the script knows; nil is nobody.
func (c *Call) Subject() *Person {
	if c.run == nil {
		return nil
	}
	return c.run.subject()
}

// who is the person that a call is about: its first argument, or the one who signs in when that is the context.
func (c *Call) who() (*Person, error) {
	if len(c.Args) > 0 && c.Args[0] == "context" {
		if s := c.Subject(); s != nil {
			return s, nil
		}
		return nil, &RefusalError{c.Name + ": nobody is known yet"}
	}
	return c.Person(0)
}

// user reads the account of a person; nil when there is none.
func (p *people) user(ctx context.Context, who *Person) (*directory.User, error) {
	if who.Subject.IsZero() {
		if who.Username == "" || who.IDP != "" {
			return nil, nil
		}
		user, err := p.Directory.FindUser(ctx, who.Organization, who.Username)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		return user, err
	}
	subject, err := p.Directory.Subjects.Get(ctx, who.Subject)
	if err == nil {
		var user *directory.User
		if user, err = p.Directory.UserOf(ctx, subject); err == nil {
			return user, nil
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return nil, err
}

func (p *people) claim(ctx context.Context, c *Call) (any, error) {
	who, err := c.Person(0)
	if err != nil {
		return nil, err
	}
	uri, err := c.Text(1)
	if err != nil {
		return nil, err
	}
	if claimName(uri) == failuresClaim {
		return p.failures(ctx, who)
	}
	user, err := p.user(ctx, who)
	if err != nil || user == nil {
		return nil, err
	}
	return claimOf(user, uri), nil
}

// failures are the wrong guesses that a person has made since the last right one.
func (p *people) failures(ctx context.Context, who *Person) (any, error) {
	if who.Subject.IsZero() {
		return "0", nil
	}
	locks, err := p.Directory.Locks.Of(ctx, who.Subject)
	n := int64(0)
	for _, lock := range locks {
		n += lock.Failures
	}
	return strconv.FormatInt(n, 10), err
}

// maxTries bounds how often a write is tried over something that others write as well.
const maxTries = 4

func (p *people) setClaim(ctx context.Context, c *Call) (any, error) {
	who, err := c.Person(0)
	if err != nil {
		return nil, err
	}
	uri, err := c.Text(1)
	if err != nil {
		return nil, err
	}
	if claimName(uri) == failuresClaim {
		return nil, nil // the directory counts by itself, and forgets when somebody is right
	}
	value := ""
	if len(c.Args) > 2 && c.Args[2] != nil {
		if value, err = c.Text(2); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		user, err := p.user(ctx, who)
		if err != nil {
			return nil, err
		}
		if user == nil {
			return nil, &RefusalError{"a claim was set of somebody without an account"}
		}
		if err := setClaim(user, uri, value); err != nil {
			return nil, err
		}
		err = p.Directory.ReplaceUser(ctx, user)
		var conflict *store.Conflict
		var invalid *directory.InvalidError
		var taken *directory.TakenError
		switch {
		case errors.As(err, &conflict) && try < maxTries:
			continue
		case errors.As(err, &invalid), errors.As(err, &taken), errors.Is(err, directory.ErrReadOnly):
			return nil, &RefusalError{err.Error()}
		}
		return nil, err
	}
}

// rolesOf are the names of a person's roles.
func (p *people) rolesOf(ctx context.Context, who *Person) (map[string]*directory.Role, error) {
	named := map[string]*directory.Role{}
	if who.Subject.IsZero() {
		return named, nil
	}
	roles, err := p.Directory.Roles.RolesOf(ctx, who.Subject)
	for _, role := range roles {
		named[roleName(role.Name)] = role
	}
	return named, err
}

// roleName is a role's name without the domain that scripts of older servers put in front.
func roleName(name string) string {
	for _, domain := range []string{"Internal/", "Application/"} {
		name = strings.TrimPrefix(name, domain)
	}
	return strings.ToLower(name)
}

func (p *people) roles(ctx context.Context, c *Call) (any, error) {
	who, err := c.Person(0)
	if err != nil {
		return nil, err
	}
	roles, err := p.rolesOf(ctx, who)
	names := []string{}
	for _, role := range roles {
		names = append(names, role.Name)
	}
	slices.Sort(names)
	return names, err
}

func (p *people) hasRoles(ctx context.Context, c *Call) (any, error) {
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	wanted, err := c.Texts(1)
	if err != nil {
		return nil, err
	}
	roles, err := p.rolesOf(ctx, who)
	return slices.ContainsFunc(wanted, func(name string) bool { return roles[roleName(name)] != nil }), err
}

// eachRole finds roles by name in the person's organization, and does something with each; with none unless all are there.
func (p *people) eachRole(ctx context.Context, c *Call, do func(ctx context.Context, role, subject store.Ref) error) (any, error) {
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	wanted, err := c.Texts(1)
	if err != nil {
		return nil, err
	}
	if who.Subject.IsZero() {
		return false, nil
	}
	all := map[string]*directory.Role{}
	q := store.Query{Org: who.Subject.Org}
	for {
		page, err := p.Directory.Roles.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, role := range page.Items {
			all[roleName(role.Name)] = role
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	for _, name := range wanted {
		if all[roleName(name)] == nil {
			return false, nil
		}
	}
	for _, name := range wanted {
		if err := do(ctx, all[roleName(name)].Ref(), who.Subject); err != nil {
			return nil, err
		}
	}
	return true, nil
}

func (p *people) assign(ctx context.Context, c *Call) (any, error) {
	return p.eachRole(ctx, c, p.Directory.Roles.Assign)
}

func (p *people) unassign(ctx context.Context, c *Call) (any, error) {
	return p.eachRole(ctx, c, p.Directory.Roles.Unassign)
}

func (p *people) inGroups(ctx context.Context, c *Call) (any, error) {
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	wanted, err := c.Texts(1)
	if err != nil {
		return nil, err
	}
	if who.Subject.IsZero() {
		return false, nil
	}
	for group, err := range p.Directory.Groups.GroupsOf(ctx, who.Subject) {
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(wanted, func(name string) bool { return strings.EqualFold(name, group.Name) }) {
			return true, nil
		}
	}
	return false, nil
}

func (p *people) mail(ctx context.Context, c *Call) (any, error) {
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	template, err := c.Text(1)
	if err != nil {
		return nil, err
	}
	user, err := p.user(ctx, who)
	if err != nil {
		return nil, err
	}
	if user == nil || user.Email == "" || p.Mail == nil {
		return false, nil
	}
	m := Mail{
		Template: template, Params: speltMap(c.Map(2)), To: user.Email, Subject: who.Subject, Organization: who.Organization,
		Application: c.Login.ApplicationID,
	}
	c.Write(func(b *store.Batch) error { return p.Mail(b, m) })
	return true, nil
}

// searched are the claims by which people are found.
var searched = map[string]string{"username": "username", "email": "email", "userid": "id"}

func (p *people) search(ctx context.Context, c *Call) (any, error) {
	wanted := speltMap(c.Map(0))
	var filter store.And
	for uri, value := range wanted {
		if field := searched[claimName(uri)]; field != "" {
			filter = append(filter, store.Equals(field, store.Text(value)))
		}
	}
	if len(filter) == 0 {
		return nil, &RefusalError{c.Name + " needs the user name, the e-mail address or the id among the claims"}
	}
	page, err := p.Directory.Users.List(ctx, store.Query{Org: c.Login.Organization, Filter: filter, Limit: 50})
	if err != nil {
		return nil, err
	}
	found := []*Person{}
	for _, user := range page.Items {
		same := true
		for uri, value := range wanted {
			same = same && strings.EqualFold(fmt.Sprint(claimOf(user, uri)), value)
		}
		if same && !user.Disabled {
			found = append(found, p.person(user))
		}
	}
	return found, nil
}

func (p *people) unique(ctx context.Context, c *Call) (any, error) {
	found, err := p.search(ctx, c)
	if err != nil {
		return nil, err
	}
	if list, _ := found.([]*Person); len(list) == 1 {
		return list[0], nil
	}
	return nil, nil
}

// person is an account as scripts know it.
func (p *people) person(user *directory.User) *Person {
	who := &Person{Subject: p.Directory.SubjectRef(user), Username: user.Username, Identifier: user.Username, Organization: user.Org}
	if user.Store != directory.DefaultStore {
		who.Store = user.Store
	}
	return who
}

func (p *people) resolve(ctx context.Context, c *Call) (any, error) {
	name, err := c.Text(0)
	if err != nil {
		return nil, err
	}
	user, err := p.Directory.FindUser(ctx, c.Login.Organization, name)
	if errors.Is(err, store.ErrNotFound) {
		return name, nil
	}
	if err != nil {
		return nil, err
	}
	return user.Username, nil
}

func (p *people) setPassword(ctx context.Context, c *Call) (any, error) {
	who, err := c.who()
	if err != nil {
		return nil, err
	}
	password, err := c.Text(1)
	if err != nil {
		return nil, err
	}
	user, err := p.user(ctx, who)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return nil, &RefusalError{"there is no such account"}
	}
	var invalid *directory.InvalidError
	if err := p.Directory.SetPassword(ctx, user, password); errors.As(err, &invalid) || errors.Is(err, directory.ErrReadOnly) {
		return nil, &RefusalError{err.Error()}
	} else if err != nil {
		return nil, err
	}
	return true, nil
}

func (p *people) secret(ctx context.Context, c *Call) (any, error) {
	name, err := c.Text(0)
	if err != nil || p.Secrets == nil {
		return nil, err
	}
	value, err := p.Secrets.read(ctx, c.Login.Organization, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return value, nil
}
