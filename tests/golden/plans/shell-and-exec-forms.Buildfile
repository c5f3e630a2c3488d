# plan:
FROM busybox
RUN echo a b
RUN ["echo", "a b"]
SHELL ["/bin/ash", "-c"]
RUN echo c
CMD echo d
ENTRYPOINT ["e"]
