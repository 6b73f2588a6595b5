package postgres_test

import (
	"context"
	"database/sql/driver"
)

// foreign opens connections of a driver that is not pgx.
type foreign struct{ driver.Conn }

func (f foreign) Connect(context.Context) (driver.Conn, error) { return f, nil }
func (f foreign) Driver() driver.Driver                        { return nil }
func (f foreign) Close() error                                 { return nil }
