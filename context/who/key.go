package who

// Key names one shopper of one retailer. It is personal data: it never stands in a log, a mark or an
// audit entry (server/privacy makes pseudonyms of it).
type Key struct {
	Retailer string
	Shopper  string // as the retailer's own systems call them, 1 to 128 characters
}
