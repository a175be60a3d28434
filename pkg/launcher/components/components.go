// Package components lists the components that a workload may have around its driver.
package components

import (
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/manifests"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/shuffleservice"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/stagingserver"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/witnessserver"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/wordsource"
)

// All returns the components that are known, in the order in which their objects are created and waited for.
func All() []launcher.Component {
	return []launcher.Component{
		witnessserver.Component{},
		wordsource.Component{},
		stagingserver.Component{},
		shuffleservice.Component{},
		manifests.Component{},
	}
}
