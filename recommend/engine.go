package recommend

import (
	"satnav/context/scene"
	"satnav/context/who"
)

// Request is one question to the engine.
type Request struct {
	Scene   scene.Scene
	Kinds   []Kind // empty: every kind
	Limit   int    // 0 to 100
	Explore bool
	Basket  []who.Item // under way
	List    []who.Item // the shopper's own list
	Query   string
}
