package demo

import (
	"fmt"
	"math"
	"time"

	"satnav/geo"
	"satnav/server/importer"
)

// district is a part of Lisbon; people counts who lives there, roughly, for drawing homes.
type district struct {
	id, name string
	at       geo.Point
	people   float64
}

var districts = []district{
	{"baixa", "Baixa", geo.Point{Lat: 38.7117, Lng: -9.1370}, 1},
	{"chiado", "Chiado", geo.Point{Lat: 38.7110, Lng: -9.1425}, 1},
	{"alfama", "Alfama", geo.Point{Lat: 38.7128, Lng: -9.1295}, 2},
	{"bairro-alto", "Bairro Alto", geo.Point{Lat: 38.7135, Lng: -9.1457}, 2},
	{"principe-real", "Príncipe Real", geo.Point{Lat: 38.7169, Lng: -9.1497}, 2},
	{"rato", "Rato", geo.Point{Lat: 38.7205, Lng: -9.1545}, 3},
	{"lapa", "Lapa", geo.Point{Lat: 38.7100, Lng: -9.1620}, 3},
	{"campo-de-ourique", "Campo de Ourique", geo.Point{Lat: 38.7182, Lng: -9.1665}, 6},
	{"alcantara", "Alcântara", geo.Point{Lat: 38.7062, Lng: -9.1745}, 3},
	{"ajuda", "Ajuda", geo.Point{Lat: 38.7078, Lng: -9.1985}, 4},
	{"belem", "Belém", geo.Point{Lat: 38.6993, Lng: -9.2045}, 3},
	{"restelo", "Restelo", geo.Point{Lat: 38.7045, Lng: -9.2130}, 3},
	{"amoreiras", "Amoreiras", geo.Point{Lat: 38.7236, Lng: -9.1612}, 2},
	{"saldanha", "Saldanha", geo.Point{Lat: 38.7345, Lng: -9.1455}, 4},
	{"avenidas-novas", "Avenidas Novas", geo.Point{Lat: 38.7402, Lng: -9.1500}, 6},
	{"campo-pequeno", "Campo Pequeno", geo.Point{Lat: 38.7425, Lng: -9.1440}, 3},
	{"alvalade", "Alvalade", geo.Point{Lat: 38.7532, Lng: -9.1440}, 8},
	{"areeiro", "Areeiro", geo.Point{Lat: 38.7428, Lng: -9.1335}, 5},
	{"arroios", "Arroios", geo.Point{Lat: 38.7332, Lng: -9.1352}, 8},
	{"anjos", "Anjos", geo.Point{Lat: 38.7262, Lng: -9.1350}, 5},
	{"graca", "Graça", geo.Point{Lat: 38.7175, Lng: -9.1300}, 4},
	{"penha-de-franca", "Penha de França", geo.Point{Lat: 38.7290, Lng: -9.1285}, 7},
	{"benfica", "Benfica", geo.Point{Lat: 38.7498, Lng: -9.2005}, 10},
	{"sete-rios", "Sete Rios", geo.Point{Lat: 38.7408, Lng: -9.1672}, 3},
	{"campolide", "Campolide", geo.Point{Lat: 38.7300, Lng: -9.1645}, 5},
	{"telheiras", "Telheiras", geo.Point{Lat: 38.7612, Lng: -9.1665}, 7},
	{"lumiar", "Lumiar", geo.Point{Lat: 38.7712, Lng: -9.1602}, 9},
	{"carnide", "Carnide", geo.Point{Lat: 38.7592, Lng: -9.1885}, 5},
	{"olivais", "Olivais", geo.Point{Lat: 38.7722, Lng: -9.1200}, 9},
	{"oriente", "Parque das Nações", geo.Point{Lat: 38.7590, Lng: -9.0975}, 7},
	{"marvila", "Marvila", geo.Point{Lat: 38.7432, Lng: -9.1075}, 6},
	{"beato", "Beato", geo.Point{Lat: 38.7335, Lng: -9.1130}, 4},
}

// format is a kind of store; hours are clock times every Lisboner knows.
type format struct {
	name  string
	hours string
	size  float64 // how far people come for it
}

var (
	market  = format{"Mercado", "Mo-Sa 08:00-22:00; Su 09:00-21:00", 2}
	local   = format{"", "Mo-Sa 08:00-21:00; Su 09:00-20:00", 1}
	express = format{"Expresso", "Mo-Fr 07:00-23:00; Sa-Su 08:00-23:00", 0.7}
	kiosk   = format{"Quiosque", "Mo-Fr 07:00-20:00; Sa 08:00-14:00; Su closed", 0.4}
)

// shop is a store with what the city's people need to know about it.
type shop struct {
	importer.Store
	district string
	format   format
	open     *geo.Schedule
	local    []int // products that are bought here more than elsewhere
	taste    *chances
}

// openShops makes the stores: one in each district, and six more.
func (c *City) openShops() {
	add := func(d district, f format, suffix string, east, north float64) {
		// Christmas and New Year's Day of the years that the history touches.
		hours := f.hours
		for year := c.start.Year(); year <= c.until.Year()+1; year++ {
			hours += fmt.Sprintf("; %d-12-25 closed; %d-01-01 closed", year, year)
		}
		name := "Azulejo " + d.name
		if f.name != "" {
			name = "Azulejo " + f.name + " " + d.name
		}
		open, err := geo.ParseHours(hours, c.zone)
		if err != nil {
			panic("the demo city's hours: " + err.Error())
		}
		s := shop{district: d.id, format: f, open: open, Store: importer.Store{
			ID: "azulejo-" + d.id + suffix, Name: name, Position: rounded(offset(d.at, east, north)), Zone: c.zone, Hours: hours, Region: "PT-11",
		}}
		r := c.random(drawShops, len(c.shops))
		for range 120 {
			if i := r.IntN(len(c.products)); c.products[i].Sensitive == "" {
				s.local = append(s.local, i)
			}
		}
		s.taste = newChances(len(s.local), func(i int) float64 { return c.products[s.local[i]].weight })
		c.shops = append(c.shops, s)
	}
	formats := []format{local, express, local, market, local, kiosk, market, local}
	for i, d := range districts {
		r := c.random(drawShops, 1000+i)
		f := formats[i%len(formats)]
		if d.id == "oriente" {
			f = market
		}
		add(d, f, "", r.Float64()*120-60, r.Float64()*120-60)
	}
	for i, id := range []string{"baixa", "saldanha", "alvalade", "arroios", "benfica", "lumiar"} {
		add(districtOf(id), express, "-2", 260*math.Cos(float64(i)), 60+200*math.Abs(math.Sin(float64(i))))
	}
}

func districtOf(id string) district {
	for _, d := range districts {
		if d.id == id {
			return d
		}
	}
	panic("no district " + id)
}

// isOpen tells whether the store is open at an instant.
func (s *shop) isOpen(at time.Time) bool { return s.open.Open(at) }

// offset moves a point by metres. It is good to a centimetre over the few hundred metres it is used for.
func offset(p geo.Point, east, north float64) geo.Point {
	const degree = math.Pi / 180
	return geo.Point{
		Lat: p.Lat + north/geo.EarthRadiusMeters/degree,
		Lng: p.Lng + east/(geo.EarthRadiusMeters*math.Cos(p.Lat*degree))/degree,
	}
}

// rounded keeps seven decimals: a centimetre.
func rounded(p geo.Point) geo.Point {
	return geo.Point{Lat: math.Round(p.Lat*1e7) / 1e7, Lng: math.Round(p.Lng*1e7) / 1e7}
}
