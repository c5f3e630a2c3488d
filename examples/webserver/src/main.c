// SPDX-License-Identifier: Apache-2.0
// webserver PORT DIRECTORY: serves a directory over HTTP, one connection at a time, until SIGTERM or SIGINT.
// webserver --check PORT: asks a running server for /health; exit status 0 when it answers 200.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "http.h"

enum { TIMEOUT_SECONDS = 5, WAITING_CONNECTIONS = 64 };

static volatile sig_atomic_t stopping;

static void request_stop(int signal_number) {
    (void)signal_number;
    stopping = 1;
}

static int fail(const char* what) {
    fprintf(stderr, "webserver: %s: %s\n", what, strerror(errno));
    return 1;
}

static int usage(void) {
    fputs("usage: webserver PORT DIRECTORY\n       webserver --check PORT\n", stderr);
    return 2;
}

// A port from 1 to 65535; 0 for anything else.
static unsigned short parse_port(const char* text) {
    char* end;
    long port = strtol(text, &end, 10);
    return *text && !*end && port > 0 && port < 65536 ? (unsigned short)port : 0;
}

static void set_timeouts(int connection) {
    struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static int open_listener(unsigned short port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        bind(listener, (struct sockaddr*)&address, sizeof address) < 0 || listen(listener, WAITING_CONNECTIONS) < 0) {
        return -1;
    }
    return listener;
}

static void serve_connection(int connection, int root) {
    set_timeouts(connection);
    struct request request;
    int status = read_request(connection, &request);
    if (status != 0) {
        answer_status(connection, status, request.method);
    } else {
        status = answer_request(connection, root, &request);
    }
    printf("%d %s\n", status, request.path);
    fflush(stdout);
}

static int serve(unsigned short port, const char* directory) {
    int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return fail(directory);
    int listener = open_listener(port);
    if (listener < 0) return fail("listening");

    // Without SA_RESTART a signal ends accept(), which is how the server stops.
    struct sigaction action = {.sa_handler = request_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    while (!stopping) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            return fail("accepting");
        }
        serve_connection(connection, root);
        close(connection);
    }
    return 0;
}

static int check(unsigned short port) {
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char good[] = "HTTP/1.1 200 ";
    char answer[sizeof good] = "";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0) return fail("socket");
    set_timeouts(connection);
    if (connect(connection, (struct sockaddr*)&address, sizeof address) < 0) return fail("connecting");
    if (send(connection, request, sizeof request - 1, MSG_NOSIGNAL) < 0) return fail("asking");
    if (recv(connection, answer, sizeof good - 1, MSG_WAITALL) < 0) return fail("reading the answer");
    return strcmp(answer, good) == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
    if (argc != 3) return usage();
    int is_check = strcmp(argv[1], "--check") == 0;
    unsigned short port = parse_port(argv[is_check ? 2 : 1]);
    if (!port) return usage();
    return is_check ? check(port) : serve(port, argv[2]);
}
