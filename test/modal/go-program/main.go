// What a program of Modal's Go client does with sandboxes, line by line on its output. Run by go-client.test.ts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	modal "github.com/modal-labs/modal-client/go"
)

const name = "modal-go"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	client, err := modal.NewClient()
	check(err)
	defer client.Close()
	program := program{ctx, client, nil, nil}
	program.app, err = client.Apps.FromName(ctx, name, &modal.AppFromNameParams{CreateIfMissing: true})
	check(err)
	for _, part := range []func(){program.images, program.processes, program.files, program.volumes, program.secrets} {
		part()
	}
}

type program struct {
	ctx    context.Context
	client *modal.Client
	app    *modal.App
	image  *modal.Image
}

func (p *program) images() {
	base := p.client.Images.FromRegistry("debian:bookworm-slim", nil)
	image, err := base.DockerfileCommands([]string{"RUN echo layer > /layer"}, nil).
		DockerfileCommands([]string{"ENV GREETING=hello", "WORKDIR /srv/work"}, nil).Build(p.ctx, p.app, nil)
	check(err)
	p.image = image
	check(image.Publish(p.ctx, name+":v1", nil))
	named, err := p.client.Images.FromName(p.ctx, name+":v1", nil)
	check(err)
	found, err := p.client.Images.FromID(p.ctx, image.ImageID, nil)
	check(err)
	_, missing := p.client.Images.FromID(p.ctx, "im-nonexistent", nil)
	fmt.Println("image:", named.ImageID == image.ImageID, found.ImageID == image.ImageID, missing != nil)
	_, failed := base.DockerfileCommands([]string{"RUN echo written; exit 7"}, nil).Build(p.ctx, p.app, nil)
	fmt.Println("build:", failed != nil && strings.Contains(failed.Error(), "exit code 7"))
}

func (p *program) processes() {
	sandbox := p.sandbox(&modal.SandboxCreateParams{Name: name, Tags: map[string]string{"kind": "go"}})
	defer end(p.ctx, sandbox)
	output, code := p.run(sandbox, nil, "sh", "-c", "cat /layer; echo $GREETING; pwd; exit 3")
	fmt.Println("exec:", output, code)
	process, err := sandbox.Exec(p.ctx, []string{"cat"}, nil)
	check(err)
	_, err = io.WriteString(process.Stdin, "through stdin")
	check(err)
	check(process.Stdin.Close())
	echoed, err := io.ReadAll(process.Stdout)
	check(err)
	fmt.Println("stdin:", string(echoed))
	found, err := p.client.Sandboxes.FromName(p.ctx, name, name, nil)
	check(err)
	tags, err := found.GetTags(p.ctx, nil)
	check(err)
	running, err := sandbox.Poll(p.ctx, nil)
	check(err)
	fmt.Println("found:", found.SandboxID == sandbox.SandboxID, tags["kind"], running == nil)
	code, err = sandbox.Terminate(p.ctx, &modal.SandboxTerminateParams{Wait: true})
	check(err)
	fmt.Println("terminated:", code)
}

func (p *program) files() {
	sandbox := p.sandbox(nil)
	defer end(p.ctx, sandbox)
	files := sandbox.Filesystem
	check(files.WriteText(p.ctx, "written", "/srv/deep/file", nil))
	text, err := files.ReadText(p.ctx, "/srv/deep/file", nil)
	check(err)
	listed, err := files.ListFiles(p.ctx, "/srv/deep", nil)
	check(err)
	_, err = files.ReadText(p.ctx, "/none", nil)
	var missing modal.SandboxFilesystemNotFoundError
	fmt.Println("files:", text, len(listed), listed[0].Name, errors.As(err, &missing))
	snapshot, err := sandbox.SnapshotFilesystem(p.ctx, nil)
	check(err)
	copied, err := p.client.Sandboxes.Create(p.ctx, p.app, snapshot, &modal.SandboxCreateParams{Command: []string{"cat", "/srv/deep/file"}})
	check(err)
	defer end(p.ctx, copied)
	output, err := io.ReadAll(copied.Stdout)
	check(err)
	fmt.Println("snapshot:", string(output))
}

func (p *program) volumes() {
	volume, err := p.client.Volumes.FromName(p.ctx, name, &modal.VolumeFromNameParams{CreateIfMissing: true})
	check(err)
	writer := p.sandbox(&modal.SandboxCreateParams{
		Command: []string{"sh", "-c", "mkdir /v/part && echo kept > /v/part/file"},
		Volumes: map[string]*modal.Volume{"/v": volume},
	})
	code, err := writer.Wait(p.ctx, nil)
	check(err)
	readOnly, part := true, "part"
	reader := p.sandbox(&modal.SandboxCreateParams{
		Command: []string{"sh", "-c", "cat /v/file; touch /v/new 2>&1"},
		Volumes: map[string]*modal.Volume{"/v": volume.WithMountOptions(&modal.VolumeMountOptionsParams{ReadOnly: &readOnly, SubPath: &part})},
	})
	output, err := io.ReadAll(reader.Stdout)
	check(err)
	end(p.ctx, reader)
	fmt.Println("volume:", code, strings.Contains(string(output), "kept"), strings.Contains(string(output), "Read-only file system"))
	ephemeral, err := p.client.Volumes.Ephemeral(p.ctx, nil)
	check(err)
	ephemeral.CloseEphemeral()
	check(p.client.Volumes.Delete(p.ctx, name, nil))
	_, err = p.client.Volumes.FromName(p.ctx, name, nil)
	fmt.Println("deleted:", err)
}

func (p *program) secrets() {
	named, err := p.client.Secrets.FromName(p.ctx, name, &modal.SecretFromNameParams{RequiredKeys: []string{"STORED"}})
	check(err)
	_, err = p.client.Secrets.FromName(p.ctx, name, &modal.SecretFromNameParams{RequiredKeys: []string{"ABSENT"}})
	fmt.Println("keys:", err)
	given, err := p.client.Secrets.FromMap(p.ctx, map[string]string{"GIVEN": "given"}, nil)
	check(err)
	sandbox := p.sandbox(&modal.SandboxCreateParams{Secrets: []*modal.Secret{named}})
	defer end(p.ctx, sandbox)
	output, _ := p.run(sandbox, &modal.SandboxExecParams{Secrets: []*modal.Secret{given}}, "sh", "-c", "echo $STORED $GIVEN")
	fmt.Println("secrets:", output)
}

func (p *program) sandbox(params *modal.SandboxCreateParams) *modal.Sandbox {
	sandbox, err := p.client.Sandboxes.Create(p.ctx, p.app, p.image, params)
	check(err)
	return sandbox
}

// run waits for a process. It returns what it wrote, on one line, and its exit code.
func (p *program) run(sandbox *modal.Sandbox, params *modal.SandboxExecParams, command ...string) (string, int) {
	process, err := sandbox.Exec(p.ctx, command, params)
	check(err)
	output, err := io.ReadAll(process.Stdout)
	check(err)
	code, err := process.Wait(p.ctx, nil)
	check(err)
	return strings.Join(strings.Fields(string(output)), " "), code
}

func end(ctx context.Context, sandbox *modal.Sandbox) {
	_, err := sandbox.Terminate(ctx, nil)
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
