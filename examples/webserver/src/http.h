// SPDX-License-Identifier: Apache-2.0
#pragma once

// One HTTP/1.1 exchange on a connected socket: a request is read, a file below a directory or a short text is
// answered, and the connection is done. Only GET and HEAD; nothing outside the directory can be named.

enum method { METHOD_GET, METHOD_HEAD, METHOD_OTHER };

struct request {
    enum method method;
    char path[1024];  // as it stands in the request line, without the query
};

// Reads the head of a request. 0, or the status to answer: 400 not HTTP, 408 too slow, 414 too long.
int read_request(int connection, struct request* request);

// Answers `request` with a file below the open directory `root`. Gives the status that was sent.
int answer_request(int connection, int root, const struct request* request);

// Answers with a status and its name as text.
void answer_status(int connection, int status, enum method method);
