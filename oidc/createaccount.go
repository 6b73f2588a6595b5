package oidc

// CreateAccount takes prompt=create (Initiating User Registration via OpenID Connect 1.0): the client asks that the person be offered to make
// an account. The flow engine must know how, or refuse (directory.RegistrationUnavailable).
type CreateAccount struct{}

const promptCreate = "create"

func (CreateAccount) part(*Provider) (part, error) {
	return part{describe: func(m *metadata) { m.PromptValuesSupported = append(m.PromptValuesSupported, promptCreate) }}, nil
}
