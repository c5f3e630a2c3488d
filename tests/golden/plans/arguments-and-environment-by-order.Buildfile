# plan:
FROM busybox
ENV A=env
ARG A=arg B=$A
RUN echo $A
ENV A=again
RUN echo $A
