package importer

// Stock is one row of stock.csv: how many pieces of an item stand in a store.
type Stock struct {
	Item   string
	Store  string
	Pieces int
}

var stockColumns = []column{{"item", true}, {"store", true}, {"stock", true}}

func decodeStock(c *cells) Stock {
	s := Stock{Item: c.id(0), Store: c.id(1)}
	known := false
	if s.Pieces, known = c.count(2); !known {
		c.wrong(2, "a whole number from 0 to 1000000000")
	}
	return s
}
