// SPDX-License-Identifier: Apache-2.0
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HEAD = 8192 };

static const char* status_name(int status) {
    switch (status) {
        case 200: return "OK";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 414: return "URI Too Long";
        default: return "Internal Server Error";
    }
}

static const char* content_type(const char* path) {
    static const struct {
        const char* suffix;
        const char* type;
    } types[] = {
        {".html", "text/html; charset=utf-8"}, {".css", "text/css"},  {".js", "text/javascript"},
        {".txt", "text/plain; charset=utf-8"}, {".png", "image/png"}, {".svg", "image/svg+xml"},
    };
    const char* dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; ++i) {
        if (strcmp(dot, types[i].suffix) == 0) return types[i].type;
    }
    return "application/octet-stream";
}

static bool send_all(int connection, const char* data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(connection, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool send_head(int connection, int status, const char* type, long long size) {
    char head[256];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %lld\r\n%sConnection: close\r\n\r\n",
                          status, status_name(status), type, size, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    return send_all(connection, head, (size_t)length);
}

void answer_status(int connection, int status, enum method method) {
    char body[64];
    int length = snprintf(body, sizeof body, "%s\n", status_name(status));
    if (send_head(connection, status, "text/plain", length) && method != METHOD_HEAD) {
        send_all(connection, body, (size_t)length);
    }
}

// Takes the request line apart: "METHOD SP PATH SP HTTP/1.x".
static int parse_request_line(char* line, struct request* request) {
    char* rest = line;
    const char* method = strsep(&rest, " ");
    char* path = strsep(&rest, " ");
    if (!path || !rest || strncmp(rest, "HTTP/1.", 7) != 0 || path[0] != '/') return 400;
    path[strcspn(path, "?#")] = '\0';
    if (strlen(path) >= sizeof request->path) return 414;

    strcpy(request->path, path);
    request->method = strcmp(method, "GET") == 0    ? METHOD_GET
                      : strcmp(method, "HEAD") == 0 ? METHOD_HEAD
                                                    : METHOD_OTHER;
    return 0;
}

int read_request(int connection, struct request* request) {
    char head[MAX_HEAD + 1];
    size_t used = 0;
    *request = (struct request){.method = METHOD_OTHER};
    for (;;) {
        ssize_t got = recv(connection, head + used, MAX_HEAD - used, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return 408;
        if (got == 0) return 400;
        used += (size_t)got;
        head[used] = '\0';
        if (strlen(head) < used) return 400;
        if (strstr(head, "\r\n\r\n")) break;
        if (used == MAX_HEAD) return 414;
    }
    *strstr(head, "\r\n") = '\0';
    return parse_request_line(head, request);
}

// Opens what the path names, index.html for a directory. Refuses "..", and a link in the last place, so that a
// request does not leave the directory.
static int open_below(int root, const char* path) {
    if (strstr(path, "..")) return -1;
    while (*path == '/') ++path;
    char name[1024 + sizeof "index.html"];
    size_t length = strlen(path);
    bool names_directory = length == 0 || path[length - 1] == '/';
    snprintf(name, sizeof name, "%s%s", path, names_directory ? "index.html" : "");
    return openat(root, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static void send_file(int connection, int file, long long size) {
    while (size > 0) {
        ssize_t sent = sendfile(connection, file, NULL, (size_t)size);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return;
        size -= sent;
    }
}

int answer_request(int connection, int root, const struct request* request) {
    if (request->method == METHOD_OTHER) {
        answer_status(connection, 405, request->method);
        return 405;
    }
    if (strcmp(request->path, "/health") == 0) {
        answer_status(connection, 200, request->method);
        return 200;
    }
    int file = open_below(root, request->path);
    struct stat status;
    bool found = file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    if (!found) {
        answer_status(connection, 404, request->method);
    } else {
        bool is_index = request->path[strlen(request->path) - 1] == '/';
        const char* type = content_type(is_index ? "index.html" : request->path);
        if (send_head(connection, 200, type, status.st_size) && request->method == METHOD_GET) {
            send_file(connection, file, status.st_size);
        }
    }
    if (file >= 0) close(file);
    return found ? 200 : 404;
}
