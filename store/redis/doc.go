// Package redis is a store.Ephemeral over Redis.
package redis
