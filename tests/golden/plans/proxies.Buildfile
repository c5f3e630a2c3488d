# plan: --build-arg HTTP_PROXY=http://proxy:1 --build-arg no_proxy=a
FROM busybox
RUN true
