package parts

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

// executable is a Go program of a part.
type executable struct {
	name string // relative to the part
	sum  string
	info *debug.BuildInfo
}

// executables reads what the go command stamped into the programs of a part.
func (l local) executables() ([]executable, error) {
	sums, err := l.tree.Sums()
	if err != nil {
		return nil, err
	}
	var all []executable
	for _, name := range l.programs {
		info, err := buildinfo.ReadFile(filepath.Join(l.tree.Dir, name))
		if err != nil {
			return nil, fmt.Errorf("what %s of %s was built from: %w", name, l, err)
		}
		all = append(all, executable{name, sums[name], info})
	}
	return all, nil
}

// module returns what was compiled: a replacement, if there is one.
func module(m *debug.Module) *debug.Module {
	if m.Replace != nil && m.Replace.Version != "" {
		return m.Replace
	}
	return m
}

func packageURL(m *debug.Module) string { return "pkg:golang/" + m.Path + "@" + m.Version }

// modules returns the modules of programs by their package URLs.
func modules(programs []executable) map[string]*debug.Module {
	all := map[string]*debug.Module{}
	for _, program := range programs {
		for _, dependency := range program.info.Deps {
			m := module(dependency)
			all[packageURL(m)] = m
		}
		if main := program.info.Main; main.Path != "" && main.Version != "" && main.Version != "(devel)" {
			all[packageURL(&main)] = &main
		}
	}
	return all
}

// billOfMaterials lists the parts and the Go modules in them, in CycloneDX' JSON.
func billOfMaterials(parts []local, program string) ([]byte, error) {
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		BOMRef: "parts", Type: cyclonedx.ComponentTypeApplication, Name: "parts of sparkchaos", Version: program,
	}}
	var listed []cyclonedx.Component
	var dependencies []cyclonedx.Dependency
	all := map[string]*debug.Module{}
	for _, part := range parts {
		programs, err := part.executables()
		if err != nil {
			return nil, err
		}
		component, err := part.bomComponent()
		if err != nil {
			return nil, err
		}
		of := modules(programs)
		maps.Copy(all, of)
		listed = append(listed, component)
		needs := slices.Sorted(maps.Keys(of))
		dependencies = append(dependencies, cyclonedx.Dependency{Ref: component.BOMRef, Dependencies: &needs})
	}
	for _, url := range slices.Sorted(maps.Keys(all)) {
		m := all[url]
		listed = append(listed, cyclonedx.Component{
			BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url,
			Properties: &[]cyclonedx.Property{{Name: "go:sum", Value: m.Sum}},
		})
	}
	bom.Components, bom.Dependencies = &listed, &dependencies
	var out bytes.Buffer
	err := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	return out.Bytes(), err
}

// bomComponent is the part, with its files.
func (l local) bomComponent() (cyclonedx.Component, error) {
	sums, err := l.tree.Sums()
	if err != nil {
		return cyclonedx.Component{}, err
	}
	component := cyclonedx.Component{
		BOMRef:  string(l.Kind) + ":" + l.Name,
		Type:    cyclonedx.ComponentTypeApplication,
		Name:    l.Name,
		Version: l.Version,
	}
	if l.Kind == Image {
		component.Type, component.Version = cyclonedx.ComponentTypeContainer, l.Key
	}
	var files []cyclonedx.Component
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		files = append(files, cyclonedx.Component{
			BOMRef: component.BOMRef + "/" + name, Type: cyclonedx.ComponentTypeFile, Name: name,
			Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sums[name]}},
		})
	}
	component.Components = &files
	return component, nil
}

const (
	buildType = "https://github.com/sparkchaos/sparkchaos/parts/v1"
	predicate = "https://slsa.dev/provenance/v1"
	builderID = "https://github.com/sparkchaos/sparkchaos/cmd/sparkchaos"
)

// provenance says of which sources the parts were built, with which Go: an in-toto statement with SLSA's predicate. It is not
// signed: it is as trustworthy as who pushed it.
func provenance(parts []local, program string) ([]byte, error) {
	statement := &intoto.Statement{Type: intoto.StatementTypeUri, PredicateType: predicate}
	sources := map[string]*debug.Module{}
	compilers := map[string]bool{}
	for _, part := range parts {
		sums, err := part.tree.Sums()
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(sums)) {
			statement.Subject = append(statement.Subject, &intoto.ResourceDescriptor{
				Name: part.Name + "/" + name, Digest: map[string]string{"sha256": sums[name]},
			})
		}
		programs, err := part.executables()
		if err != nil {
			return nil, err
		}
		maps.Copy(sources, modules(programs))
		for _, each := range programs {
			compilers[each.info.GoVersion] = true
		}
	}
	built, err := definition(parts, sources)
	if err != nil {
		return nil, err
	}
	claim := &slsa.Provenance{BuildDefinition: built, RunDetails: &slsa.RunDetails{Builder: &slsa.Builder{
		Id: builderID, Version: map[string]string{"sparkchaos": program, "go": strings.Join(slices.Sorted(maps.Keys(compilers)), ", ")},
	}}}
	if err := claim.Validate(); err != nil {
		return nil, err
	}
	if statement.Predicate, err = asStruct(claim); err != nil {
		return nil, err
	}
	if err := statement.Validate(); err != nil {
		return nil, err
	}
	data, err := protojson.Marshal(statement)
	if err != nil {
		return nil, err
	}
	// protojson varies its white space on purpose.
	var out bytes.Buffer
	err = json.Indent(&out, data, "", " ")
	return out.Bytes(), err
}

// definition says what was built, and from what.
func definition(parts []local, sources map[string]*debug.Module) (*slsa.BuildDefinition, error) {
	keys := map[string]any{}
	for _, part := range parts {
		keys[part.String()] = part.Key
	}
	parameters, err := structpb.NewStruct(map[string]any{"platform": platform().String(), "keys": keys})
	if err != nil {
		return nil, err
	}
	built := &slsa.BuildDefinition{
		BuildType:          buildType,
		ExternalParameters: parameters,
		ResolvedDependencies: []*intoto.ResourceDescriptor{{
			Name: "components.lock", Digest: map[string]string{"sha256": components.LockDigest()},
		}},
	}
	for _, url := range slices.Sorted(maps.Keys(sources)) {
		dependency := &intoto.ResourceDescriptor{Uri: url}
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sources[url].Sum, "h1:")); err == nil && len(sum) > 0 {
			dependency.Digest = map[string]string{"dirHash": hex.EncodeToString(sum)}
		}
		built.ResolvedDependencies = append(built.ResolvedDependencies, dependency)
	}
	return built, nil
}

// asStruct turns a message into the form that a statement holds.
func asStruct(claim *slsa.Provenance) (*structpb.Struct, error) {
	data, err := protojson.Marshal(claim)
	if err != nil {
		return nil, err
	}
	result := &structpb.Struct{}
	return result, protojson.Unmarshal(data, result)
}
