package main

import (
	"html/template"
	"net/http"
)

// shop is the program as it was, but for whom it lets in: that was a form and a cookie, and is the door now.
type shop struct{ door *door }

func (s *shop) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /orders", s.orders)
	mux.HandleFunc("GET /login", s.door.open)
	mux.HandleFunc("GET /callback", s.door.enter)
	mux.HandleFunc("GET /logout", s.door.leave)
}

func (s *shop) home(w http.ResponseWriter, _ *http.Request) {
	show(w, homePage, nil)
}

// orders are for the customer who is signed in.
func (s *shop) orders(w http.ResponseWriter, r *http.Request) {
	name := s.door.customer(r)
	if name == "" {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	show(w, ordersPage, name)
}

func show(w http.ResponseWriter, page *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = page.Execute(w, data)
}

var (
	homePage = template.Must(template.New("home").Parse(`<!doctype html><html lang="en"><title>The Shop</title>
<h1>The Shop</h1><p><a href="/orders">Your orders</a></p></html>
`))
	ordersPage = template.Must(template.New("orders").Parse(`<!doctype html><html lang="en"><title>Orders</title>
<h1>Orders of {{.}}</h1><p>None yet.</p><p><a href="/logout">Sign out</a></p></html>
`))
)
