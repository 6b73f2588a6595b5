package oidc

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
)

// PairwiseSubjects lets clients be registered with subject_type pairwise: they know a person by a name that no other sector
// knows (OpenID Connect Core §8), in ID tokens, at the userinfo and introspection endpoints, and in access tokens. Clients whose
// redirect URIs have different hosts, a loopback host or none need a sector_identifier_uri, which is fetched when they are registered. The sid of a session
// has a name in each sector too. One that registers itself for grants whose tokens go to no redirect URI, such as the device grant,
// needs keys that are published in the sector (CIBA Core §4).
//
// The names hang on a random salt, which is in the store, sealed. They stay the same as long as it does, and as long as the
// client's sector does.
type PairwiseSubjects struct{}

// The subject types (OpenID Connect Core §8).
const (
	subjectPublic   = "public"
	subjectPairwise = "pairwise"
)

// subjectSalt is what pairwise subjects are derived from. There is one.
type subjectSalt struct {
	store.Meta
	Salt store.Sealed `json:"salt"`
}

var (
	saltKind = store.Kind{Name: "oidc.pairwise"}
	saltType = store.Type[subjectSalt]{Kind: saltKind}
	saltRef  = store.Ref{ID: "salt"}
)

// pairwiseSubjects makes names of subjects, and subjects of names.
type pairwiseSubjects struct {
	db    *store.DB
	salts *store.Collection[subjectSalt]
	salt  atomic.Pointer[[]byte]
}

func (f PairwiseSubjects) part(p *Provider) (part, error) {
	p.pairwise = &pairwiseSubjects{db: p.db, salts: store.NewCollection(p.db, saltType)}
	return part{
		features: []string{"pairwise subjects"},
		check:    checkSubjectType,
		approve:  p.checkSector,
		describe: func(m *metadata) { m.SubjectTypesSupported = append(m.SubjectTypesSupported, subjectPairwise) },
	}, nil
}

func checkSubjectType(c *Client, bad report) {
	switch c.SubjectType {
	case "", subjectPublic, subjectPairwise:
	default:
		bad("subject_type", "must be public or pairwise")
	}
	if u, err := url.Parse(c.SectorIdentifierURI); c.SectorIdentifierURI != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		bad("sector_identifier_uri", "must be an https URL (OpenID Connect Registration §5)")
	}
	if c.needsProof() && !c.mayProve() {
		bad("subject_type", "pairwise with such grants needs a jwks_uri in the sector, and private_key_jwt or self_signed_tls_client_auth (CIBA Core §4)")
	}
	if c.SubjectType == subjectPairwise && c.sector() == "" {
		bad("sector_identifier_uri", "is required for pairwise subjects: the redirect URIs do not have one host (OpenID Connect Core §8.1)")
	}
	if c.SubjectType == subjectPairwise && isLoopback(c.sector()) { // which is every application's that runs on the person's machine
		bad("sector_identifier_uri", "is required for pairwise subjects: a loopback host is nobody's sector (OpenID Connect Core §8.1)")
	}
}

// sector is whom the client shares pairwise subjects with: the host of its sector_identifier_uri or of all its redirect URIs, or
// without any that of its key set (CIBA Core §4). "" is none.
func (c *Client) sector() string {
	uris := c.RedirectURIs
	switch {
	case c.SectorIdentifierURI != "":
		uris = []string{c.SectorIdentifierURI}
	case len(uris) == 0 && c.JWKSURI != "":
		uris = []string{c.JWKSURI}
	}
	sector := ""
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil || u.Host == "" || sector != "" && sector != strings.ToLower(u.Hostname()) {
			return ""
		}
		sector = strings.ToLower(u.Hostname())
	}
	return sector
}

// needsProof reports whether the client must prove that its sector is its own, since nobody else vouches for it: it has registered
// itself, and tokens come to it otherwise than by the redirect URIs, which only whoever is there can read. It could name the host of
// another and learn the names that are known there.
func (c *Client) needsProof() bool {
	return c.SubjectType == subjectPairwise && c.RegistrationHash != "" && slices.ContainsFunc(c.GrantTypes, func(g GrantType) bool {
		return !slices.Contains([]GrantType{AuthorizationCode, RefreshToken, Implicit, ClientCredentials}, g)
	})
}

// mayProve reports whether the client proves its sector whenever it authenticates: by keys that are published there (CIBA Core §4).
func (c *Client) mayProve() bool {
	byKey := c.AuthMethod == PrivateKeyJWT || c.AuthMethod == SelfSignedTLSClientAuth
	inSector := c.SectorIdentifierURI != "" || strings.EqualFold(hostOf(c.JWKSURI), c.sector()) // its document must list the keys
	return byKey && c.JWKSURI != "" && inSector
}

// sectorURIs is the document at a sector_identifier_uri (OpenID Connect Registration §5).
var sectorURIs = fetch.Kind[[]string]{
	Name: "sector_identifier", Types: []string{"application/json"}, MaxSize: 64 << 10,
	Decode: func(document []byte) (uris []string, err error) {
		err = strictjson.Unmarshal(document, &uris)
		return uris, err
	},
}

// checkSector reads the sector_identifier_uri: all redirect URIs must stand in it, and keys that prove the sector.
func (p *Provider) checkSector(ctx context.Context, c *Client) error {
	if c.SectorIdentifierURI == "" {
		return nil
	}
	document, err := sectorURIs.Get(ctx, p.fetch, c.SectorIdentifierURI)
	if err != nil {
		p.config.Logger.InfoContext(ctx, "sector_identifier_uri refused", "client_id", c.ClientID, "error", err.Error())
		return &InvalidClientError{"sector_identifier_uri", "could not be read as a JSON array of URIs"}
	}
	listed := slices.Clone(c.RedirectURIs)
	if c.needsProof() {
		listed = append(listed, c.JWKSURI)
	}
	for _, uri := range listed {
		if !slices.Contains(document.Value, uri) {
			return &InvalidClientError{"sector_identifier_uri", "does not list " + uri + " (OpenID Connect Registration §5)"}
		}
	}
	return nil
}

// subjectFor returns the name by which the client knows a subject: its id, or for a pairwise client one of its sector's.
func (p *Provider) subjectFor(ctx context.Context, c *Client, id string) (string, error) {
	return p.nameFor(ctx, c, ofSubjects, id)
}

// sessionFor returns the sid by which the client knows a session: its id, or for a pairwise client one of its sector's. Two sectors
// that compare what they know must not learn from it that they know one person.
func (p *Provider) sessionFor(ctx context.Context, c *Client, id string) (string, error) {
	return p.nameFor(ctx, c, ofSessions, id)
}

// subjectNamed is the reverse of subjectFor. A name that is nobody's gives an id that is nobody's.
func (p *Provider) subjectNamed(ctx context.Context, c *Client, name string) (string, error) {
	return p.idNamed(ctx, c, ofSubjects, name)
}

// sessionNamed is the reverse of sessionFor.
func (p *Provider) sessionNamed(ctx context.Context, c *Client, name string) (string, error) {
	return p.idNamed(ctx, c, ofSessions, name)
}

// What has names of its own in each sector: texts that go into keys and must not change.
const (
	ofSubjects = "subject"
	ofSessions = "session"
)

// nameFor returns the name of an id in the client's sector; "" stays "".
func (p *Provider) nameFor(ctx context.Context, c *Client, of, id string) (string, error) {
	if c.SubjectType != subjectPairwise || id == "" {
		return id, nil
	}
	block, err := p.pairwise.cipher(ctx, c, of)
	if err != nil {
		return "", err
	}
	var name [aes.BlockSize]byte
	if err := readUUID(&name, id); err != nil {
		return "", err
	}
	block.Encrypt(name[:], name[:])
	return base64.RawURLEncoding.EncodeToString(name[:]), nil
}

// idNamed is the reverse of nameFor.
func (p *Provider) idNamed(ctx context.Context, c *Client, of, name string) (string, error) {
	if c.SubjectType != subjectPairwise || name == "" {
		return name, nil
	}
	block, err := p.pairwise.cipher(ctx, c, of)
	if err != nil {
		return "", err
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(name)
	if err != nil || len(raw) != aes.BlockSize {
		return nobody, nil
	}
	block.Decrypt(raw, raw)
	return writeUUID([aes.BlockSize]byte(raw)), nil
}

// hintedSubject returns whom an ID token of ours is about, whichever client it was issued to.
func (p *Provider) hintedSubject(ctx context.Context, hint *idTokenHint) (string, error) {
	return p.hinted(ctx, hint, ofSubjects, hint.Subject)
}

// hintedSession returns the id of the session that an ID token of ours names.
func (p *Provider) hintedSession(ctx context.Context, hint *idTokenHint) (string, error) {
	return p.hinted(ctx, hint, ofSessions, hint.SID)
}

func (p *Provider) hinted(ctx context.Context, hint *idTokenHint, of, name string) (string, error) {
	c, err := p.Clients.find(ctx, hint.Audience[0])
	if errors.Is(err, store.ErrNotFound) {
		return name, nil
	}
	if err != nil {
		return "", err
	}
	return p.idNamed(ctx, c, of, name)
}

// nobody is no subject's id.
const nobody = "-"

// cipher returns the permutation of ids of something that belongs to the client's sector. It is a permutation of 128 bits, so that the name of
// nobody else can come out, and the way back is known to us alone: OpenID Connect Core §8.1 gives such a cipher as its second
// example. The key is of this sector and this use, so that two sectors have nothing to compare.
func (s *pairwiseSubjects) cipher(ctx context.Context, c *Client, of string) (cipher.Block, error) {
	if s == nil {
		return nil, errors.New("oidc: client " + c.ClientID + " is pairwise, and Features.PairwiseSubjects is off")
	}
	salt, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, salt, nil, "signet pairwise "+of+" v1 "+c.sector(), 32)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(key)
}

// read returns the salt, and makes it the first time: whoever inserts it first has made it.
func (s *pairwiseSubjects) read(ctx context.Context) ([]byte, error) {
	if known := s.salt.Load(); known != nil {
		return *known, nil
	}
	stored, err := s.salts.Get(ctx, saltRef)
	if errors.Is(err, store.ErrNotFound) {
		if err = s.make(ctx); err == nil {
			stored, err = s.salts.Get(ctx, saltRef)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: the salt of pairwise subjects: %w", err)
	}
	salt, err := s.db.Unseal(saltKind, saltRef, "salt", stored.Salt)
	if err != nil {
		return nil, fmt.Errorf("oidc: the salt of pairwise subjects: %w", err)
	}
	s.salt.Store(&salt)
	return salt, nil
}

func (s *pairwiseSubjects) make(ctx context.Context) error {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // it never fails
	b := s.db.Batch()
	s.salts.Insert(b, &subjectSalt{Meta: store.Meta{ID: saltRef.ID}, Salt: s.db.Seal(saltKind, saltRef, "salt", salt)})
	err := b.Apply(ctx)
	if store.ConflictOn(err, saltKind) != nil {
		return nil // another node was faster
	}
	return err
}

// readUUID reads the id of a subject or a session, which is the text of a UUID.
func readUUID(raw *[16]byte, id string) error {
	_, err := hex.Decode(raw[:], []byte(strings.ReplaceAll(id, "-", "")))
	if err != nil || len(id) != 36 || writeUUID(*raw) != id {
		return errors.New("oidc: the id of a subject or a session is no UUID")
	}
	return nil
}

func writeUUID(raw [16]byte) string {
	text := hex.EncodeToString(raw[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
