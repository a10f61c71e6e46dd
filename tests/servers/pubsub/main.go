// Command pubsub is a server of Google Pub/Sub, Google's own for tests: `pubsub PORT`. It keeps everything in
// memory.
package main

import (
	"fmt"
	"os"
	"strconv"

	"cloud.google.com/go/pubsub/v2/pstest"
)

func main() {
	port := 0
	var err error
	if len(os.Args) == 2 {
		port, err = strconv.Atoi(os.Args[1])
	}
	if port == 0 || err != nil {
		fmt.Fprintln(os.Stderr, "usage: pubsub PORT")
		os.Exit(2)
	}
	pstest.NewServerWithPort(port)
	select {}
}
