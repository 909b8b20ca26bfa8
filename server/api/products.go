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

// ListProducts lists products.
func (a *API) ListProducts(c *fiber.Ctx, params wire.ListProductsParams) error {
	out := wire.ProductList{Products: []wire.StoredProduct{}}
	next, err := a.listing(c, store.ProductEntry, params.Cursor, params.Limit, func(e store.Entry) (bool, error) {
		told, err := productFrom(e)
		if err != nil || params.Category != "" && told.Category != params.Category {
			return false, err
		}
		out.Products = append(out.Products, told)
		return true, nil
	})
	if err != nil {
		return err
	}
	out.Next = next
	return encode(c, out)
}

func productFrom(e store.Entry) (wire.StoredProduct, error) {
	var kept retailer.Product
	if err := json.Unmarshal(e.Body, &kept); err != nil {
		return wire.StoredProduct{}, err
	}
	told := wire.StoredProduct{
		Item: e.ID, Title: kept.Title, Category: kept.Category, Brand: kept.Brand, Price: kept.Price, ListPrice: kept.ListPrice, Cost: kept.Cost,
		Currency: kept.Currency, Attributes: kept.Attributes, VariantOf: kept.VariantOf, Sensitive: kept.Sensitive, Stock: kept.Stock,
		Status: wire.ProductStatusActive, Version: e.Version, UpdatedAt: e.At,
	}
	if kept.Status != "" {
		told.Status = wire.ProductStatus(kept.Status)
	}
	return told, nil
}

// CreateProduct adds a product.
func (a *API) CreateProduct(c *fiber.Ctx, _ wire.CreateProductParams) error {
	var in wire.Product
	if err := a.decode(c, &in); err != nil {
		return err
	}
	return a.saveProduct(c, in, in.Item, new(int64), false)
}

// PutProduct replaces a product, or creates it under an id.
func (a *API) PutProduct(c *fiber.Ctx, id wire.ID, params wire.PutProductParams) error {
	expect, err := a.expected(c, store.ProductEntry, id, params.IfMatch, params.IfNoneMatch)
	if err != nil {
		return err
	}
	var in wire.Product
	if err := a.decode(c, &in); err != nil {
		return err
	}
	if err := sameID(in.Item, id, "/item"); err != nil {
		return err
	}
	return a.saveProduct(c, in, strings.Clone(id), expect, expect != nil)
}

func (a *API) saveProduct(c *fiber.Ctx, in wire.Product, id string, expect *int64, conditional bool) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	value := retailer.Product{
		Title: in.Title, Category: in.Category, Brand: in.Brand, Price: in.Price, ListPrice: in.ListPrice, Cost: in.Cost,
		Currency: in.Currency, Attributes: in.Attributes, VariantOf: in.VariantOf, Sensitive: in.Sensitive, Status: string(in.Status), Stock: in.Stock,
	}
	saved, err := a.Retailers.SaveProducts(c.UserContext(), caller(c).Retailer, editor(c), []retailer.Change[retailer.Product]{{ID: id, Expect: expect, Value: value}})
	if err != nil {
		return err
	}
	if err := saved[0].Err; err != nil {
		if !conditional && errors.Is(err, store.ErrConflict) {
			return problem(conflict, "there is a product %s already: PUT it to replace it", quote(saved[0].ID))
		}
		return editProblem(err, "", conditional)
	}
	told, err := productFrom(saved[0].Entry())
	if err != nil {
		return err
	}
	return finish(c, saved[0], "/v1/products", told)
}

// GetProduct reads a product.
func (a *API) GetProduct(c *fiber.Ctx, id wire.ID, params wire.GetProductParams) error {
	entry, err := a.entry(c, store.ProductEntry, id)
	if err != nil {
		return err
	}
	if unchanged(c, params.IfNoneMatch, entry.Version) {
		return nil
	}
	told, err := productFrom(entry)
	if err != nil {
		return err
	}
	return encode(c, told)
}

// DeleteProduct deletes a product. History keeps what was bought of it.
func (a *API) DeleteProduct(c *fiber.Ctx, id wire.ID, params wire.DeleteProductParams) error {
	if err := wholeRetailer(c); err != nil {
		return err
	}
	expect, err := a.expected(c, store.ProductEntry, id, params.IfMatch, "")
	if err != nil {
		return err
	}
	saved, err := a.Retailers.SaveProducts(c.UserContext(), caller(c).Retailer, editor(c),
		[]retailer.Change[retailer.Product]{{ID: strings.Clone(id), Delete: true, Expect: expect}})
	return deleted(c, store.ProductEntry, saved, err, expect != nil)
}
