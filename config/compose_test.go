package config

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Processes on one database sign and seal with the same keys, which outlive their containers: a named volume that both mount, over a
// folder that the image makes for its user.
func TestReplicasShareTheirKeys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../compose.replicas.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Volumes     []any
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	if _, named := compose.Volumes["keys"]; !named {
		t.Error(`compose.replicas.yaml: no volume "keys"`)
	}
	for _, name := range []string{"satnav1", "satnav2"} {
		service, mounted := compose.Services[name], false
		for _, volume := range service.Volumes {
			mounted = mounted || volume == "keys:"+service.Environment["SATNAV_KEYS"]
		}
		if !mounted {
			t.Errorf("%s: its keys lie in %q, which is not the volume that both share: %v", name, service.Environment["SATNAV_KEYS"], service.Volumes)
		}
	}
	image, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if folder := compose.Services["satnav1"].Environment["SATNAV_KEYS"]; !strings.Contains(string(image), "/out"+folder+"\n") {
		t.Errorf("Dockerfile: it makes no %s, so the volume would belong to root", folder)
	}
}
