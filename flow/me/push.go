package me

import (
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// device is one on which the person confirms sign-ins. Where messages to it go is said nowhere.
type device struct {
	ID       string `json:"deviceId"`
	Name     string `json:"name"`
	Model    string `json:"model"`
	Provider string `json:"provider,omitempty"`
}

func toDevice(c *directory.Credential) device {
	return device{ID: c.ID, Name: c.Label, Model: c.Push.Model, Provider: c.Push.Provider}
}

// invitePush makes what the QR code says by which a device is registered, once, within three minutes.
func (a *API) invitePush(c *call) (answer, error) {
	if !a.Push {
		return answer{}, errOff
	}
	user, err := a.user(c)
	if err != nil {
		return answer{}, err
	}
	invitation := a.Directory.Pushes.NewInvitation(c.ref, c.Subject.Epoch).Within(c.Session)
	b := a.DB.Batch()
	a.Directory.Pushes.Invite(b, invitation)
	if err := b.Apply(c.ctx()); err != nil {
		return answer{}, err
	}
	return answer{Body: mfa.PushDiscovery{
		DeviceID: invitation.Device, Username: user.Username, Host: a.site.Issuer(), OrganizationID: c.ref.Org,
		Challenge: invitation.Challenge.Reveal(),
	}}, nil
}

// listPush lists the person's devices.
func (a *API) listPush(c *call) (answer, error) {
	all, err := a.Directory.Pushes.Devices(c.ctx(), c.ref)
	list := make([]device, 0, len(all))
	for _, one := range all {
		list = append(list, toDevice(one))
	}
	return answer{Body: list}, err
}

// showPush shows one of them.
func (a *API) showPush(c *call) (answer, error) {
	one, err := a.Directory.Pushes.Device(c.ctx(), c.ref, c.r.PathValue("deviceId"))
	if err != nil {
		return answer{}, err
	}
	return answer{Body: toDevice(one)}, nil
}

// removePush removes one of them.
func (a *API) removePush(c *call) (answer, error) {
	one, err := a.Directory.Pushes.Device(c.ctx(), c.ref, c.r.PathValue("deviceId"))
	if err != nil {
		return answer{}, err
	}
	return noContent, a.Directory.RemoveCredential(c.ctx(), c.Subject, c.Session, one.ID)
}
