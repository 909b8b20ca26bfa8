// Package evaluate asks a running server what shoppers will do next, tells it what they did, and says how often it was
// right.
//
// It exists so that a promise about suggestions can be checked by anybody, on data that everybody has, and through the very
// calls that an app and a till make: files are imported, the model is waited for, and the lists are asked for over HTTP.
// Decided against: an entrance of its own into the engine. What it measured would be the engine, not what shoppers get.
package evaluate
