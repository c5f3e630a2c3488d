// SPDX-License-Identifier: Apache-2.0
// stat_all DIRECTORY THREADS: one lstat of everything below a directory, by so many threads: the least that telling that
// nothing changed can cost.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char** waiting;  // directories, the last one goes first
static size_t count, room;
static size_t working;

static void fail(const char* what) {
    perror(what);
    exit(1);
}

static void add(char* path) {
    pthread_mutex_lock(&mutex);
    if (count == room) {
        room = room ? 2 * room : 64;
        waiting = realloc(waiting, room * sizeof *waiting);
        if (!waiting) fail("stat_all");
    }
    waiting[count++] = path;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

static void look_into(const char* path) {
    DIR* directory = opendir(path);
    if (!directory) fail(path);
    struct dirent* entry;
    while ((entry = readdir(directory))) {
        struct stat status;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW)) fail(entry->d_name);
        if (!S_ISDIR(status.st_mode)) continue;
        char* below;
        if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) fail("stat_all");
        add(below);
    }
    closedir(directory);
}

static void* work(void* unused) {
    (void)unused;
    pthread_mutex_lock(&mutex);
    for (;;) {
        while (!count && working) pthread_cond_wait(&changed, &mutex);
        if (!count) break;
        char* path = waiting[--count];
        ++working;
        pthread_mutex_unlock(&mutex);
        look_into(path);
        free(path);
        pthread_mutex_lock(&mutex);
        if (--working == 0) pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

int main(int argc, char** argv) {
    if (argc != 3 || atoi(argv[2]) < 1) {
        fputs("usage: stat_all DIRECTORY THREADS\n", stderr);
        return 2;
    }
    add(strdup(argv[1]));
    int threads = atoi(argv[2]);
    pthread_t started[threads];
    for (int i = 0; i < threads; ++i)
        if (pthread_create(&started[i], NULL, work, NULL)) fail("stat_all");
    for (int i = 0; i < threads; ++i) pthread_join(started[i], NULL);
    return 0;
}
