package importer

// Stock is one row of stock.csv: how much of an item stands in a store.
type Stock struct {
	Item   string
	Store  string
	Amount float64 // pieces, kilograms and the like
}

var stockColumns = []column{{"item", true}, {"store", true}, {"stock", true}}

func decodeStock(c *cells) Stock {
	s := Stock{Item: c.id(0), Store: c.id(1)}
	known := false
	if s.Amount, known = c.amount(2); !known {
		c.wrong(2, amountWanted)
	}
	return s
}
