// Package geo knows where things are and when somebody crossed their edge: fixes and cells, geofences and their
// parsers, the index that finds them, the machine that turns noisy fixes into crossings, opening hours, and what
// a phone should watch by itself.
//
// It exists so that geometry is decided in one place, the same for a live call, a replay of a recorded walk and a
// test. So it is pure: no clock, no network, no disk; time comes in as an argument, and the same presence, fences
// and fix always give the same answer. Containment is exact, with planar edges as in RFC 7946 and the boundary
// inside; nothing is rounded to fit. An Index is immutable: edits make another one, and readers keep theirs.
//
// Decided against: a general geometry library (none was exact at the antimeridian and fast enough at once),
// spherical edges (the file formats that people draw in have planar ones), covering geofences with cells (a cover
// grows with the area, and a large geofence must cost no more than a small one), and treating a fix as a point
// (one lying fix would tell a crossing that never was).
package geo
