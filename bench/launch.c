// SPDX-License-Identifier: Apache-2.0
// launch COMMAND…: runs a command with its streams closed to /dev/null and prints
// "seconds peak-KiB exit-status cpu-seconds".
//
// A process of its own, because a child's peak memory starts at that of whoever spawned it: under Python every
// command would seem to need what Python needs.
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char** environ;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
    if (argc < 2) {
        fputs("usage: launch COMMAND...\n", stderr);
        return 2;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);

    double begun = now();
    pid_t child;
    int failure = posix_spawnp(&child, argv[1], &actions, NULL, argv + 1, environ);
    if (failure) {
        fprintf(stderr, "launch: %s: %s\n", argv[1], strerror(failure));
        return 1;
    }
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) < 0) {
        perror("launch: wait4");
        return 1;
    }
    double seconds = now() - begun;
    double busy = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    printf("%.6f %ld %d %.6f\n", seconds, usage.ru_maxrss, code, busy);
    return 0;
}
