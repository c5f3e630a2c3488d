# plan: --target=second
FROM busybox AS first
RUN echo 1
FROM nowhere.invalid/image AS unused
RUN echo never planned
FROM first AS second
RUN echo 2
FROM first AS last
RUN echo 3
