package api

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/retailer"
	"satnav/server/store"
)

// ListStores lists stores.
func (a *API) ListStores(c *fiber.Ctx, params wire.ListStoresParams) error {
	out := wire.StoreList{Stores: []wire.StoredStore{}}
	next, err := a.listing(c, store.StoreEntry, params.Cursor, params.Limit, func(e store.Entry) (bool, error) {
		told, err := storeFrom(e)
		out.Stores = append(out.Stores, told)
		return true, err
	})
	if err != nil {
		return err
	}
	out.Next = next
	return encode(c, out)
}

func storeFrom(e store.Entry) (wire.StoredStore, error) {
	var kept retailer.Store
	if err := json.Unmarshal(e.Body, &kept); err != nil {
		return wire.StoredStore{}, err
	}
	return wire.StoredStore{
		Store: e.ID, Name: kept.Name, Lat: kept.Lat, Lng: kept.Lng, Zone: kept.Zone, Hours: kept.Hours, Region: kept.Region, Sensitive: kept.Sensitive,
		Version: e.Version, UpdatedAt: e.At,
	}, nil
}

// CreateStore opens a store.
func (a *API) CreateStore(c *fiber.Ctx, _ wire.CreateStoreParams) error {
	var in wire.Store
	if err := a.decode(c, &in); err != nil {
		return err
	}
	return a.saveStore(c, in, in.Store, new(int64), false)
}

// PutStore replaces a store, or creates it under an id.
func (a *API) PutStore(c *fiber.Ctx, id wire.ID, params wire.PutStoreParams) error {
	expect, err := a.expected(c, store.StoreEntry, id, params.IfMatch, params.IfNoneMatch)
	if err != nil {
		return err
	}
	var in wire.Store
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if err := sameID(in.Store, id, "/store"); err != nil {
		return err
	}
	return a.saveStore(c, in, strings.Clone(id), expect, expect != nil)
}

func (a *API) saveStore(c *fiber.Ctx, in wire.Store, id string, expect *int64, conditional bool) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	saved, err := a.Retailers.SaveStores(c.UserContext(), caller(c).Retailer, editor(c), []retailer.Change[retailer.Store]{{
		ID: id, Expect: expect,
		Value: retailer.Store{Name: in.Name, Lat: in.Lat, Lng: in.Lng, Zone: in.Zone, Hours: in.Hours, Region: in.Region, Sensitive: in.Sensitive},
	}})
	if err != nil {
		return err
	}
	if err := saved[0].Err; err != nil {
		if !conditional && errors.Is(err, store.ErrConflict) {
			return problem(conflict, "there is a store %s already: PUT it to replace it", quote(saved[0].ID))
		}
		return editProblem(err, "", conditional)
	}
	told, err := storeFrom(saved[0].Entry())
	if err != nil {
		return err
	}
	return finish(c, saved[0], "/v1/stores", told)
}

// GetStore reads a store.
func (a *API) GetStore(c *fiber.Ctx, id wire.ID, params wire.GetStoreParams) error {
	entry, err := a.entry(c, store.StoreEntry, id)
	if err != nil {
		return err
	}
	if unchanged(c, params.IfNoneMatch, entry.Version) {
		return nil
	}
	told, err := storeFrom(entry)
	if err != nil {
		return err
	}
	return encode(c, told)
}

// DeleteStore deletes a store.
func (a *API) DeleteStore(c *fiber.Ctx, id wire.ID, params wire.DeleteStoreParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.StoreEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveStores(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[retailer.Store]{{ID: strings.Clone(id), Delete: true, Expect: expect}})
	return deleted(c, store.StoreEntry, saved, err, expect != nil)
}
