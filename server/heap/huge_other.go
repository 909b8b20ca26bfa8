//go:build !linux

package heap

// HugePages does nothing where the kernel takes no advice on pages.
func HugePages() {}
