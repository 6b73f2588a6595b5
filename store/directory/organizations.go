package directory

// Organizations keeps the tree of organizations. There is the root and, so far, nothing below it. The zero value is
// ready to use.
type Organizations struct{}

// Organization is a part of the directory with people, applications and settings of its own.
type Organization struct {
	// Path is the organization's place in every Ref: ids from the root joined by "/"; "" is the root.
	Path string
}

// Root returns the root organization.
func (Organizations) Root() Organization { return Organization{} }

// Get returns the organization with the path. For any but the root the error is ErrOrganization.
func (o Organizations) Get(path string) (Organization, error) {
	if err := o.check(path); err != nil {
		return Organization{}, err
	}
	return o.Root(), nil
}

func (Organizations) check(path string) error {
	if path != "" {
		return ErrOrganization
	}
	return nil
}
