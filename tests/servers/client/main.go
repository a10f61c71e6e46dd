// Command client speaks to the bus as Argo Events does, with the libraries that it uses: nats.go and
// the CloudEvents SDK.
//
//	client publish URL EVENT_SOURCE EVENT DATA   publishes an event and prints its id
//	client read URL EVENT_SOURCE EVENT           prints the next event of a new durable consumer as JSON
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/nats-io/nats.go"
)

// patience is how long one answer of the server may take.
const patience = 30 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("usage: client publish|read URL EVENT_SOURCE EVENT [DATA]")
	}
	connection, err := nats.Connect(args[1])
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := connection.JetStream(nats.MaxWait(patience))
	if err != nil {
		return err
	}
	if args[0] == "read" {
		return read(stream, args[2], args[3])
	}
	if len(args) < 5 {
		return fmt.Errorf("usage: client publish URL EVENT_SOURCE EVENT DATA")
	}
	return publish(stream, args[2], args[3], []byte(args[4]))
}

func subject(source, event string) string {
	return fmt.Sprintf("default.%s.%s", source, event)
}

func publish(stream nats.JetStreamContext, source, name string, data []byte) error {
	event := cloudevents.NewEvent()
	event.SetID(fmt.Sprintf("%x", time.Now().UnixNano()))
	event.SetType("webhook")
	event.SetSource(source)
	event.SetSubject(name)
	event.SetTime(time.Now())
	if err := event.SetData(cloudevents.ApplicationJSON, data); err != nil {
		return err
	}
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if _, err := stream.Publish(subject(source, name), body, nats.MsgId(event.ID())); err != nil {
		return err
	}
	fmt.Println(event.ID())
	return nil
}

func read(stream nats.JetStreamContext, source, name string) error {
	subscription, err := stream.PullSubscribe(subject(source, name), "client", nats.AckExplicit(), nats.DeliverAll())
	if err != nil {
		return err
	}
	messages, err := subscription.Fetch(1, nats.MaxWait(patience))
	if err != nil {
		return err
	}
	message := messages[0]
	event := cloudevents.NewEvent()
	if err := json.Unmarshal(message.Data, &event); err != nil {
		return err
	}
	if err := event.Validate(); err != nil {
		return err
	}
	read := map[string]string{
		"messageId":       message.Header.Get(nats.MsgIdHdr),
		"id":              event.ID(),
		"source":          event.Source(),
		"type":            event.Type(),
		"subject":         event.Subject(),
		"datacontenttype": event.DataContentType(),
		"data":            string(event.Data()),
	}
	if err := json.NewEncoder(os.Stdout).Encode(read); err != nil {
		return err
	}
	return message.AckSync()
}
