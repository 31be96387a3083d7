# F tests, robust Wald tests and random-effect tests of linear mixed models. Run: Rscript ref_tests.R <folder with data/>
suppressPackageStartupMessages({library(lme4);library(lmerTest);library(pbkrtest);library(clubSandwich);library(jsonlite)})
arg <- commandArgs(TRUE); HERE <- if(length(arg)) arg[1] else "."
rd <- function(n) read.csv(file.path(HERE,"data",paste0(n,".csv")))
j <- function(x) toJSON(x,digits=I(17),auto_unbox=TRUE,null="null",na="null",pretty=FALSE)
tight <- function(f,d,REML=TRUE){ best<-NULL
 for(op in c("bobyqa","nloptwrap")) for(st in 1:2){
  ctl<-lmerControl(optimizer=op,optCtrl=if(op=="bobyqa")list(rhobeg=2e-3,rhoend=1e-10,maxfun=1e5)else list(xtol_abs=1e-13,ftol_abs=1e-13,xtol_rel=0,ftol_rel=0,maxeval=1e5),check.conv.singular="ignore",check.conv.grad="ignore")
  a<-list(formula=f,data=d,REML=REML,control=ctl); if(st==2&&!is.null(best)) a$start<-getME(best,"theta")
  m<-suppressMessages(suppressWarnings(do.call(lmerTest::lmer,a)))
  cr<-function(m) if(REML) REMLcrit(m) else deviance(m)
  if(is.null(best)||cr(m)<cr(best)) best<-m }
 best }
tab <- function(m,type,ddf){ a<-as.data.frame(anova(m,type=type,ddf=ddf)); h<-attr(anova(m,type=type,ddf=ddf),"hypotheses")
 list(term=rownames(a),df_num=a[["NumDF"]],df_den=a[["DenDF"]],F=a[["F value"]],p=a[["Pr(>F)"]],L=lapply(unname(h),function(L)unname(as.matrix(L)))) }
go <- function(name,f,d,data,cluster,REML=TRUE,kr=TRUE,Ls=list()){
 m<-tight(f,d,REML); o<-list(name=name,formula=paste(deparse(f,500),collapse=""),data=paste0("data/",data,".csv"),reml=REML,criterion=if(REML) REMLcrit(m) else deviance(m),fixef=as.list(fixef(m)))
 for(t in c("I","II","III")){ o[[paste0("satterthwaite_",t)]]<-tab(m,t,"Satterthwaite"); if(REML&&kr) o[[paste0("kenward_roger_",t)]]<-tab(m,t,"Kenward-Roger") }
 p<-length(fixef(m)); L<-diag(p)[2:p,,drop=FALSE]; set.seed(5); L2<-matrix(round(rnorm(2*p),2),2); rhs<-c(.1,-.2)
 one<-function(L,rhs){ s<-contestMD(m,L,rhs=rhs,ddf="Satterthwaite"); out<-list(L=unname(L),rhs=rhs,satterthwaite=list(df_num=s[["NumDF"]],df_den=s[["DenDF"]],F=s[["F value"]],p=s[["Pr(>F)"]]))
  if(REML&&kr){ k<-KRmodcomp(as(m,"lmerMod"),L,betaH=as.vector(MASS::ginv(L)%*%rhs)); out$kenward_roger<-as.list(k$stats[c("ndf","ddf","Fstat","F.scaling","p.value")]) }
  if(REML&&!is.null(cluster)&&all(rhs==0)) for(ty in c("CR0","CR1","CR2","CR3")){ w<-tryCatch(as.list(as.data.frame(Wald_test(as(m,"lmerMod"),constraints=L,vcov=vcovCR(as(m,"lmerMod"),cluster=d[[cluster]],type=ty),test="HTZ"))),error=function(e)list(error=conditionMessage(e))); out[[ty]]<-w }
  out }
 o$contrasts<-list(one(L,rep(0,p-1)),one(L2,c(0,0)),one(L2,rhs))
 writeLines(j(o),paste0("anova_",name,".json")); cat(name,"\n") }
s<-rd("sleepstudy"); s$week<-factor(ifelse(s$Days<4,"early",ifelse(s$Days<7,"mid","late"))); 
u<-rd("univbct_complete"); q<-rd("lq2002"); x<-rd("sim3_12inst"); x$wavef<-factor(x$wave); x$group<-factor(c("a","b","c")[1+x$inst%%3])
go("sleepstudy",Reaction~Days+(Days|Subject),s,"sleepstudy","Subject")
go("univbct_waves",JSAT~factor(TIME)+AGE+GENDER+(1|SUBNUM),u,"univbct_complete","SUBNUM")
go("univbct_btn",JSAT~C1+C2+AGE+GENDER+(1|BTN)+(1|SUBNUM),u,"univbct_complete","BTN")
go("lq2002",HOSTILE~LEAD_cwc+LEAD_cm+TSIG_cwc+TSIG_cm+(1|COMPID),q,"lq2002","COMPID")
go("sim3_interaction",y~factor(wave)*factor(arm)+x+(1|inst)+(1|person),x,"sim3_12inst","inst")
go("sim3_interaction_ml",y~factor(wave)*factor(arm)+x+(1|inst)+(1|person),x,"sim3_12inst",NULL,REML=FALSE)
go("sim3_covariate",y~x*factor(arm)+factor(wave)*x+(1|inst)+(wave|person),x,"sim3_12inst","inst")
go("sim3_no_intercept",y~0+factor(wave)+factor(wave):x+(1|inst)+(1|person),x,"sim3_12inst","inst")
go("sim3_order",y~x+factor(wave)+factor(arm)+factor(wave):factor(arm)+factor(arm):x+(1|inst)+(1|person),x,"sim3_12inst","inst")
