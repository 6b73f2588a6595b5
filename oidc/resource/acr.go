package resource

import (
	"errors"
	"slices"
)

// Ordered is a Verifier whose issuer orders its classes of authentication. A *oidc.Provider is one.
type Ordered interface {
	// ACROrder lists the classes, weakest first.
	ACROrder() []string
}

// checkOrder says what is wrong with an order.
func checkOrder(classes []string) error {
	for i, class := range classes {
		if class == "" || slices.Contains(classes[:i], class) {
			return errors.New("resource: Config.ACROrder has a class that is empty or stands twice")
		}
	}
	return nil
}

// reaches reports whether a class is one of those that are demanded, or stands above one of them. A class that is in no order stands for
// itself alone.
func (g *Guard) reaches(class string, demanded []string) bool {
	if slices.Contains(demanded, class) {
		return true
	}
	height := slices.Index(g.config.ACROrder, class)
	return slices.ContainsFunc(demanded, func(d string) bool {
		least := slices.Index(g.config.ACROrder, d)
		return least >= 0 && height > least
	})
}
