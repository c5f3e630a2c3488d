# plan:
FROM busybox AS one
RUN echo 1
FROM one AS two
USER 5
FROM two AS three
WORKDIR /x
FROM three
RUN id
