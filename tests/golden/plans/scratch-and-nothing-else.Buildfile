# plan:
FROM scratch
